"""A model is asked every question once, whatever the server does and whenever a run is killed."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from itertools import count
from pathlib import Path
from unittest import mock

import pytest
from asked_questions import Truth, write_questions
from chat_server import ChatServer, Faults, Response, completion, error
from conftest import PATIENCE, REPOSITORY, link_root, run_here

from spatial_engine.evaluation.asking import asker, retries
from spatial_engine.utils.questions.records import read_jsonl, write_jsonl

ASK = "spatial_engine/evaluation/ask_model.py"
SCORE = "spatial_engine/evaluation/score_predictions.py"
SECRET = "sk-secret-of-this-test"


@pytest.fixture(autouse=True)
def no_proxy_and_a_key(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)


@pytest.fixture
def soon(monkeypatch):
    """Waits of a hundredth of what they are."""
    monkeypatch.setattr(retries, "FIRST_WAIT", 0.005)
    monkeypatch.setattr(retries, "LONGEST_WAIT", 0.08)


def flags_of(server: ChatServer, questions: Path, *more: str) -> list[str]:
    output = str(questions.with_name("model.jsonl"))
    given = ["--base-url", server.url, "--model", "m", "--output", output]
    return [*given, "--benchmark", str(questions), *more]


def answers_in(questions: Path) -> list[dict]:
    return list(read_jsonl(questions.with_name("model.jsonl")))


def ids_in(questions: Path) -> list[str]:
    return sorted(record["id"] for record in read_jsonl(questions))


def assert_each_answered_once(questions: Path, truth: Truth) -> None:
    ids = ids_in(questions)
    assert sorted(line["id"] for line in answers_in(questions)) == ids
    assert truth.succeeded == Counter(ids) and truth.unknown == []


def test_the_truth_about_the_benchmark_scores_100(made_root, tmp_path):
    root = link_root(made_root, tmp_path)
    assert run_here("spatial_engine/evaluation/make_benchmark.py", root).returncode == 0
    benchmark = root / "evaluation_data/multispa/v1_0/multispa.jsonl"
    truth = Truth(benchmark, root)
    with ChatServer(truth) as server:
        done = run_here(ASK, root, "--base-url", server.url, "--model", "some/Model-1")
    assert done.returncode == 0, done.stderr
    ids = ids_in(benchmark)
    assert truth.succeeded == Counter(ids) and truth.unknown == []
    output = benchmark.parent / "multispa_predictions/some_Model-1.jsonl"
    assert sorted(line["id"] for line in read_jsonl(output)) == ids
    command = done.stdout.split("score them with: python ")[1].split()
    assert run_here(command[0], root, *command[3:]).returncode == 0
    scores = json.loads(output.with_suffix(".scores.json").read_text())
    assert {line["score"] for line in scores["subtasks"] if line["questions"]} == {100.0}
    assert scores["counts"]["missing"] == scores["counts"]["unparsable"] == 0


@pytest.mark.parametrize("seed", [1, 2])
def test_every_question_is_answered_once_whatever_the_server_does(tmp_path, soon, seed):
    questions = write_questions(tmp_path, 150)
    truth = Truth(questions, tmp_path)
    faults = Faults(truth, 0.4, seed, slow=3.0)
    with ChatServer(faults) as server:
        flags = flags_of(server, questions, "--timeout", "1.5", "--max-retries", "40")
        done = run_here(ASK, tmp_path, *flags)
    assert done.returncode == 0, done.stderr
    assert_each_answered_once(questions, truth)
    assert len(faults.made) == 10
    for kind in ("status 429", "status 500", "connection lost", "timeout", "broken reply"):
        assert f"asked again ({kind})" in done.stdout
    assert "completion tokens 750, prompt tokens 15,000" in done.stdout
    assert SECRET not in done.stdout + done.stderr
    assert f"{SCORE} --root {tmp_path} --benchmark {questions}" in done.stdout


def test_at_most_so_many_are_in_flight_and_all_of_them(tmp_path):
    questions = write_questions(tmp_path, 40)
    truth = Truth(questions, tmp_path)

    def slowly(body: dict) -> Response:
        response = truth(body)
        response.wait = 0.2
        return response

    with ChatServer(slowly) as server:
        flags = flags_of(server, questions, "--concurrency", "5")
        assert run_here(ASK, tmp_path, *flags).returncode == 0
        assert server.most_at_once == 5


def test_images_are_read_when_their_request_starts(tmp_path):
    """So an image that is gone by then stops the run, and what was answered is kept."""
    questions = write_questions(tmp_path, 12)
    truth = Truth(questions, tmp_path)
    last = list(read_jsonl(questions))[-1]["image"][-1]  # the first asks about it, too

    def answer(body: dict) -> Response:
        (tmp_path / last).unlink(missing_ok=True)
        return truth(body)

    with ChatServer(answer) as server:
        done = run_here(ASK, tmp_path, *flags_of(server, questions, "--concurrency", "1"))
    assert done.returncode == 2
    assert done.stderr.startswith("error: ") and last in done.stderr
    assert len(answers_in(questions)) == 11


def test_what_is_answered_is_not_asked_again(tmp_path):
    questions = write_questions(tmp_path, 20)
    truth = Truth(questions, tmp_path)
    with ChatServer(truth) as server:
        assert run_here(ASK, tmp_path, *flags_of(server, questions, "--limit", "8")).returncode == 0
        first = answers_in(questions)
        assert len(first) == 8 and {line["id"] for line in first} <= set(ids_in(questions)[:20])
        assert run_here(ASK, tmp_path, *flags_of(server, questions)).returncode == 0
        assert answers_in(questions)[:8] == first
        again = run_here(ASK, tmp_path, *flags_of(server, questions))
        assert again.returncode == 0 and len(server.requests) == 20
    assert_each_answered_once(questions, truth)


def test_other_questions_models_and_settings_are_refused(tmp_path):
    questions = write_questions(tmp_path, 3)
    with ChatServer(Truth(questions, tmp_path)) as server:
        flags = flags_of(server, questions)
        assert run_here(ASK, tmp_path, *flags).returncode == 0
        before = questions.with_name("model.jsonl").read_bytes()
        for more in (["--model", "n"], ["--temperature", "0.5"], ["--max-tokens", "7"]):
            done = run_here(ASK, tmp_path, *flags, *more)
            assert done.returncode == 2 and done.stderr.count("\n") == 1
            assert "holds answers of another" in done.stderr
        write_questions(tmp_path, 4)
        done = run_here(ASK, tmp_path, *flags)
        assert done.returncode == 2 and "holds answers of another questions" in done.stderr
        assert len(server.requests) == 3
    assert questions.with_name("model.jsonl").read_bytes() == before


def test_questions_about_ones_own_frames_need_no_answer(tmp_path):
    questions = write_questions(tmp_path, 24, scored=False)
    truth = Truth(questions, tmp_path)
    with ChatServer(truth) as server:
        done = run_here(ASK, tmp_path, *flags_of(server, questions))
    assert done.returncode == 0, done.stderr
    assert_each_answered_once(questions, truth)
    assert "score them with" not in done.stdout


def test_a_training_file_in_uniform_form_is_asked(tmp_path):
    questions = write_questions(tmp_path, 4)
    turned = []
    for record in read_jsonl(questions):
        turns = [record.pop("text"), "It is `left`."]
        said = [{"from": who, "value": text} for who, text in zip(("human", "gpt"), turns)]  # noqa: B905
        turned.append({**record, "conversations": said})
    truth = Truth(questions, tmp_path)
    write_jsonl(questions, turned)
    with ChatServer(truth) as server:
        assert run_here(ASK, tmp_path, *flags_of(server, questions)).returncode == 0
    assert_each_answered_once(questions, truth)


def test_refusals_and_errors_are_counted_and_named(tmp_path):
    questions = write_questions(tmp_path, 12)
    truth = Truth(questions, tmp_path)
    kinds = {
        0: Response(200, completion(None, refusal="I will not.")),
        1: Response(200, completion("")),
        2: error(400, f"at most 1 image, you with {SECRET}"),
        3: error(400, "at most 1 image"),
        4: error(422, "odd"),
    }

    def answer(body: dict) -> Response:
        number = int(str(body).split("Question ")[1].split(":")[0])
        return kinds.get(number) or truth(body)

    with ChatServer(answer) as server:
        done = run_here(ASK, tmp_path, *flags_of(server, questions))
        assert len(server.requests) == 12  # none was asked again
    assert done.returncode == 1
    assert "not answered (status 400) 2, not answered (status 422) 1" in done.stdout
    assert "empty 1" in done.stdout and "refused by the model 1" in done.stdout
    assert "failed: status 400: camera_x_movement_" in done.stdout and "(and 1 more)" in done.stdout
    assert "error: 3 questions have no answer" in done.stdout
    assert len(answers_in(questions)) == 9
    everything = [path.read_text() for path in tmp_path.glob("model.*")]
    assert SECRET not in "".join([done.stdout, done.stderr, *everything])
    with ChatServer(truth) as server:  # what failed is asked again
        assert run_here(ASK, tmp_path, *flags_of(server, questions)).returncode == 0
        assert len(server.requests) == 3


def test_the_key_goes_to_the_server_alone(tmp_path):
    questions = write_questions(tmp_path, 3)

    def echo(body: dict) -> Response:
        return Response(200, completion(f"You are {SECRET}."))

    with ChatServer(echo) as server:
        done = run_here(ASK, tmp_path, *flags_of(server, questions))
        assert {r["authorization"] for r in server.requests} == {f"Bearer {SECRET}"}
    written = [p.read_bytes() for p in tmp_path.rglob("*") if p.is_file() and p.suffix != ".jpg"]
    assert SECRET.encode() not in b"".join(written)
    assert SECRET not in done.stdout + done.stderr
    assert {line["prediction"] for line in answers_in(questions)} == {"You are ...."}


@pytest.mark.parametrize("key", [f"{SECRET}\nmore", f"{SECRET} more", f"{SECRET}ü"])
def test_a_key_that_cannot_be_sent_is_not_shown(tmp_path, monkeypatch, key):
    monkeypatch.setenv("OPENAI_API_KEY", key)
    questions = write_questions(tmp_path, 1)
    with ChatServer(Truth(questions, tmp_path)) as server:
        done = run_here(ASK, tmp_path, *flags_of(server, questions))
    assert done.returncode == 2 and done.stderr.count("\n") == 1
    assert "OPENAI_API_KEY holds signs" in done.stderr and SECRET not in done.stderr


@pytest.mark.parametrize(
    ("status", "words"), [(401, "OPENAI_API_KEY"), (403, "let you"), (404, "--base-url")]
)
def test_what_no_question_can_pass_ends_the_run(tmp_path, status, words):
    questions = write_questions(tmp_path, 30)
    with ChatServer(lambda body: error(status, f"no {SECRET}")) as server:
        done = run_here(ASK, tmp_path, *flags_of(server, questions))
        assert len(server.requests) <= 8
    assert done.returncode == 2
    assert done.stderr.startswith("error: ") and done.stderr.count("\n") == 1
    assert words in done.stderr and SECRET not in done.stderr


def test_a_server_that_is_gone_ends_the_run(tmp_path, soon):
    questions = write_questions(tmp_path, 100)
    truth = Truth(questions, tmp_path)
    left = [20]

    def dying(body: dict) -> Response:
        left[0] -= 1
        return truth(body) if left[0] >= 0 else Response(cut=0)

    with ChatServer(dying) as server:
        done = run_here(ASK, tmp_path, *flags_of(server, questions, "--max-retries", "2"))
        assert len(server.requests) <= 20 + 3 * (asker.LEAST_TO_GIVE_UP + 8)
    assert done.returncode == 2
    *_, last = done.stderr.splitlines()
    assert last.startswith(f"error: {server.url}: 8 questions in a row were not answered")
    assert len(answers_in(questions)) == 20


@pytest.mark.parametrize("answered", [0, 1])
def test_a_server_that_refuses_every_question_ends_the_run(tmp_path, answered):
    questions, most = write_questions(tmp_path, 120), asker.REFUSED_TO_GIVE_UP
    truth, left = Truth(questions, tmp_path), [answered]

    def pinned(body: dict) -> Response:
        left[0] -= 1
        return truth(body) if left[0] >= 0 else Response(400, b'{"detail": "pinned to \'n\'"}')

    with ChatServer(pinned) as server:
        done = run_here(ASK, tmp_path, *flags_of(server, questions))
        asked = len(server.requests)
    if answered:  # the server works, so each refusal is about its question
        assert (done.returncode, asked) == (1, 120)
        assert "failed: status 400" in done.stdout and "pinned to 'n'" in done.stdout
        assert "119 questions have no answer; correct what the server says" in done.stdout
    else:
        assert done.returncode == 2 and most <= asked < most + 8
        assert f"the first {most} questions were refused (pinned to 'n')" in done.stderr


def test_a_dry_run_writes_requests_and_sends_none(tmp_path):
    questions = write_questions(tmp_path, 5)
    truth = Truth(questions, tmp_path)
    with (
        ChatServer(truth) as server,
        mock.patch.dict(sys.modules, {"openai": None}),  # nor is the package needed
    ):
        done = run_here(ASK, tmp_path, *flags_of(server, questions, "--dry-run", "3"))
        assert done.returncode == 0 and server.requests == []
    written = sorted((tmp_path / "model.requests").iterdir())
    assert [path.stem for path in written] == ids_in(questions)[:3]
    for path in written:
        body = json.loads(path.read_text())
        assert (body["model"], body["temperature"]) == ("m", 0.0)
        assert truth(body).status == 200
    assert not (tmp_path / "model.jsonl").exists()


def test_a_temperature_can_be_left_to_the_server(tmp_path):
    questions = write_questions(tmp_path, 2)
    bodies = []
    truth = Truth(questions, tmp_path)
    with ChatServer(lambda body: bodies.append(body) or truth(body)) as server:
        flags = flags_of(server, questions, "--temperature", "none", "--max-tokens", "9")
        assert run_here(ASK, tmp_path, *flags).returncode == 0
    for body in bodies:
        assert {**body, "messages": 0} == {"model": "m", "max_completion_tokens": 9, "messages": 0}


def test_without_the_package_the_remedy_is_told(tmp_path):
    questions = write_questions(tmp_path, 1)
    with mock.patch.dict(sys.modules, {"openai": None}):
        flags = ["--base-url", "http://127.0.0.1:9/v1", "--model", "m"]
        done = run_here(ASK, tmp_path, *flags, "--benchmark", str(questions))
    assert done.returncode == 2 and done.stderr.count("\n") == 1
    assert "pip install -r requirements/ask.txt" in done.stderr


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("image", ["../secret.jpg"], "below the root"),
        ("image", ["data/scannet/posed_images/scene0000_00/none.jpg"], "no such image"),
        ("image", [], "image must be a list of paths"),
        ("text", "no mark", "0 marks <image> in the text for 1 images"),
        ("text", 3, "the question is not a text"),
        ("id", "camera_x_movement_1", "is in it twice"),
    ],
)
def test_what_cannot_be_asked_is_named_before_anything_is_sent(tmp_path, field, value, words):
    questions = write_questions(tmp_path, 2, scored=False)
    records = list(read_jsonl(questions))
    records[0][field] = value
    write_jsonl(questions, records)
    with ChatServer(lambda body: error(500)) as server:
        done = run_here(ASK, tmp_path, *flags_of(server, questions))
        assert server.requests == []
    assert done.returncode == 2 and done.stderr.count("\n") == 1
    assert words in done.stderr, done.stderr


@pytest.mark.parametrize(
    "address", ["", "localhost:8000", "ftp://x/v1", "http://", "http://x:p/v1", "http://me:pass@x/v1",
                "http://x/v1?key=pass"],
)  # fmt: skip
def test_an_address_that_is_none_or_tells_a_secret_is_refused(tmp_path, address):
    done = run_here(ASK, tmp_path, "--base-url", address, "--model", "m")
    assert done.returncode == 2 and done.stderr.count("\n") == 1
    assert "--base-url" in done.stderr and "pass" not in done.stderr


@pytest.mark.parametrize("name", ["", " ", "a\nb"])
def test_a_name_of_no_model_is_refused(tmp_path, name):
    done = run_here(ASK, tmp_path, "--base-url", "http://127.0.0.1:9/v1", "--model", name)
    assert done.returncode == 2 and "is no name of a model" in done.stderr


# Killed and stopped


def start(root: Path, flags: list[str]) -> subprocess.Popen:
    line = [sys.executable, ASK, "--root", str(root), *flags]
    return subprocess.Popen(
        line, cwd=REPOSITORY, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )


def await_answers(questions: Path, number: int, run: subprocess.Popen) -> None:
    """Until a run has written so many lines, or has ended."""
    path, end = questions.with_name("model.jsonl"), time.monotonic() + PATIENCE
    while run.poll() is None and time.monotonic() < end:
        if path.exists() and path.read_bytes().count(b"\n") >= number:
            return
        time.sleep(0.01)


def slow_truth(questions: Path, root: Path) -> tuple[Truth, Faults]:
    truth = Truth(questions, root)

    def slowly(body: dict) -> Response:
        response = truth(body)
        response.wait = 0.05
        return response

    return truth, Faults(slowly, 0.1, 5, slow=0.3)


def test_killed_at_random_moments_all_lines_come_at_last(tmp_path):
    questions = write_questions(tmp_path, 120)
    truth, handler = slow_truth(questions, tmp_path)
    rng = random.Random(0)
    with ChatServer(handler) as server:
        flags = flags_of(server, questions)
        seen: dict[str, dict] = {}
        for number in (rng.randrange(1, 30), rng.randrange(30, 60), rng.randrange(60, 100)):
            run = start(tmp_path, flags)
            await_answers(questions, number, run)
            time.sleep(rng.uniform(0, 0.05))
            run.kill()
            run.communicate()
            lines = questions.with_name("model.jsonl").read_bytes().split(b"\n")[:-1]
            now = {line["id"]: line for line in map(json.loads, lines)}
            assert len(now) == len(lines) and seen.items() <= now.items()
            seen = now
        done = run_here(ASK, tmp_path, *flags)
    assert done.returncode == 0, done.stderr
    lines = answers_in(questions)
    assert sorted(line["id"] for line in lines) == ids_in(questions)
    assert {line["id"]: line["prediction"] for line in lines} == {
        record["id"]: f"It is `{truth.answer_to(record)}`." for record in read_jsonl(questions)
    }
    # Asked again was only what was in flight when a run was killed.
    assert sum(truth.succeeded.values()) - 120 <= 3 * 8


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_run_with_one_line(tmp_path, number):
    questions = write_questions(tmp_path, 200)
    truth = Truth(questions, tmp_path)

    asked, stopped = count(1), threading.Event()

    def slowly(body: dict) -> Response:
        response = truth(body)  # after some, none comes before the signal
        response.wait = 0 if stopped.is_set() or next(asked) <= 60 else PATIENCE
        return response

    with ChatServer(slowly) as server:
        run = start(tmp_path, flags_of(server, questions))
        await_answers(questions, 20, run)
        os.kill(run.pid, number)
        _, said = run.communicate(timeout=PATIENCE)
        by = "" if number == signal.SIGINT else " by SIGTERM"
        stopped.set()
        assert said == f"stopped{by}; answers are kept, start again to go on\n"
        assert run.returncode == 128 + number
        assert 20 <= len(answers_in(questions)) < 200
        assert run_here(ASK, tmp_path, *flags_of(server, questions)).returncode == 0
    assert sorted(line["id"] for line in answers_in(questions)) == ids_in(questions)
