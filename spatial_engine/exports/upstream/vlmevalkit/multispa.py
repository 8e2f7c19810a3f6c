import json
import os.path as osp

import pandas as pd
from vlmeval.dataset.image_base import ImageBaseDataset
from vlmeval.dataset.utils.multispa import rows
from vlmeval.dataset.utils.multispa.scoring import score_record
from vlmeval.dataset.utils.multispa.tasks import ROWS
from vlmeval.smp import d2df, dump, get_intermediate_file_path, load, toliststr


class MultiSPA(ImageBaseDataset):
    """
    MultiSPA, and a benchmark of three to eight frames.

    Reference:
      Multi-SpatialMLLM: Multi-Frame Spatial Understanding with Multi-Modal Large Language Models
      https://arxiv.org/abs/2505.17015

    The table has no pictures, since the terms of ScanNet forbid to pass them on. Who has ScanNet
    makes them, and scripts/multispa_fill_in.py puts them where the table names them. Scored by
    rules, without a judge.
    """

    TYPE = "VQA"

    DATASET_URL = {}

    DATASET_MD5 = {}

    DEFAULT_JUDGE = "exact_matching"

    ROWS_OF = {"MultiSPA": "multispa", "MultiSPA_frames": "multispa_frames"}

    def post_build(self, dataset):
        names = {name for paths in self.data["image_path"] for name in toliststr(paths)}
        missing = sorted(name for name in names if not osp.isfile(osp.join(self.img_root, name)))
        if missing:
            raise FileNotFoundError(
                f"{self.img_root}: {len(missing)} of {len(names)} pictures are not there, "
                f"{missing[0]} first; run scripts/multispa_fill_in.py"
            )

    def dump_image(self, line):
        return [osp.join(self.img_root, name) for name in toliststr(line["image_path"])]

    # The pictures stand where the questions of the paper have them, each behind its name.
    def build_prompt(self, line):
        if isinstance(line, int):
            line = self.data.iloc[line]
        paths = self.dump_image(line)
        msgs = []
        for number, path in enumerate(paths, 1):
            if len(paths) > 1:
                msgs.append(dict(type="text", value=f"Image-{number}: "))
            msgs.append(dict(type="image", value=path))
        msgs.append(dict(type="text", value=line["question"]))
        return msgs

    def evaluate(self, eval_file, **judge_kwargs):
        data = load(eval_file)
        said = ["" if pd.isna(text) else str(text) for text in data["prediction"]]
        records = map(json.loads, data["record"])
        scores = [score_record(*pair) for pair in zip(records, said, strict=True)]
        data["answer_read"] = [score.parsed for score in scores]
        data["hit"] = [int(score.correct) for score in scores]
        dump(data, get_intermediate_file_path(eval_file, "_score"))

        verdicts = [(score.task, score.correct) for score in scores]
        rows_of = ROWS[self.ROWS_OF[self.dataset_name]]
        result = {
            "overall": rows.mean_of_rows(verdicts, rows_of),
            **rows.row_scores(verdicts, rows_of),
        }
        dump(d2df(result), get_intermediate_file_path(eval_file, "_acc"))
        return result
