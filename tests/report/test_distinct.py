"""Names counted by their hashes: `report/distinct.py`."""

import pickle

from spatial_engine.report import distinct
from spatial_engine.report.distinct import Distinct


def counted(*batches):
    names = Distinct()
    for batch in batches:
        names.update(batch)
    return names


def test_a_name_counts_once_however_it_is_named_again(monkeypatch):
    monkeypatch.setattr(distinct, "MOST_WAITING", 3)
    names = [f"scene/{number}.jpg" for number in range(20)]
    found = counted(names[:7], names[5:12], [names[0]], names)
    assert len(found) == 20
    assert len(found) == 20
    assert len(Distinct()) == 0


def test_counts_of_several_files_are_joined_and_sent_to_other_processes():
    one, two = counted(["a", "b"], ["c"]), counted(["c", "d"])
    sent = pickle.loads(pickle.dumps(two))
    assert len(sent) == 2
    one.merge(sent)
    assert len(one) == 4
    one.merge(pickle.loads(pickle.dumps(Distinct())))
    one.update(["d", "e"])
    assert (len(one), len(sent)) == (5, 2)
