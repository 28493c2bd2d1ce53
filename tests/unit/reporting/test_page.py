"""What all pages share: names of files, and texts that change nothing around them."""

from __future__ import annotations

import pytest

from daf.charts import runtime
from daf.reporting.page import slug
from daf.reporting.templating import TURNING, with_script_hashes


@pytest.mark.parametrize("name", ["tutorial.miner", "machina_1", "a-b"])
def test_a_name_that_is_fit_for_a_file_stays(name: str) -> None:
    assert slug(name) == name


def test_names_that_differ_have_files_that_differ() -> None:
    names = ["m", "$m$", "m ", "a b", "a-b", "名前", "名", "", "k" * 300, "k" * 301, "../m", "/", "-m"]
    slugs = [slug(name) for name in names]
    assert len(set(slugs)) == len(names)
    assert all(0 < len(name) <= 100 and "/" not in name for name in slugs)


def test_a_name_cannot_turn_the_text_around_it() -> None:
    page = with_script_hashes("<p>a\u202eb loses to \u2067c\u2069 and שלום</p>")
    assert page == "<p>a\ufffdb loses to \ufffdc\ufffd and שלום</p>"
    assert not TURNING.search(runtime.bundle())  # no script changes with it
