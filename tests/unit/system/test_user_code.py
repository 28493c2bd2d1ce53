"""Stamps of the user's code: every file that can change what a class does is in them, and nothing is imported."""

from __future__ import annotations

import functools
import importlib
import os
import sys
from collections.abc import Iterator
from importlib import metadata
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

import pytest

from daf.errors import BadInputError
from daf.system.files import PROJECT, file_sha256
from daf.system.module_files import ModuleFinder, search_path
from daf.system.user_code import (
    NO_CODE,
    CodeStamp,
    code_in,
    code_of_class,
    code_of_function,
    code_of_mission_file,
    code_of_module,
    data_files,
    differences,
    unfollowed_in_words,
)

BOOM = "raise RuntimeError('this file must not be imported')\n"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder on the path, which is not the current one."""
    folder = tmp_path / "lib"
    folder.mkdir()
    monkeypatch.syspath_prepend(folder)
    monkeypatch.chdir(tmp_path)
    return folder


def write(folder: Path, **texts: str) -> None:
    """Files by module name, with `__` for a dot; each of them fails when it is imported."""
    for name, text in texts.items():
        path = folder / f"{name.replace('__', '/')}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n" + BOOM)


def package(folder: Path, name: str, text: str = "") -> None:
    path = folder / name.replace(".", "/") / "__init__.py"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text + "\n" + BOOM)


def files_of(class_path: str) -> set[str]:
    return set(code_of_class(class_path).files)


# ---- what is followed ------------------------------------------------------------------------------------------


def test_a_module_and_its_siblings_are_stamped_by_content(home: Path) -> None:
    write(home, mine="import helper", helper="X = 1")
    stamp = code_of_class("mine.Policy")
    assert stamp.files == {name: file_sha256(home / name) for name in ("helper.py", "mine.py")}
    assert not stamp.distributions
    assert not stamp.unfollowed
    write(home, helper="X = 22")
    assert differences(stamp, code_of_class("mine.Policy")) == ["helper.py changed"]


@pytest.mark.parametrize(
    "statement",
    [
        "from . import helper",
        "from .helper import X",
        "from .. import base\nfrom ..sub import helper",
        "from pkg.sub import helper",
        "import pkg.sub.helper as h",
        "if True:\n    import pkg.sub.helper",
        "try:\n    from pkg.sub import helper\nexcept ImportError:\n    helper = None",
        "def act():\n    from . import helper",
        "class A:\n    def f(self):\n        import pkg.sub.helper",
        "import importlib\nhelper = importlib.import_module('pkg.sub.helper')",
        "helper = __import__('pkg.sub.helper', fromlist=['X'])",
        "__import__('pkg.sub', fromlist=('helper',))",
        "__import__('helper', globals(), locals(), [], 1)",
        "from importlib import import_module\nimport_module('.helper', __package__)",
        "import importlib as il\nil.import_module('..sub.helper', package='pkg.sub')",
        "from importlib import import_module as im\nim(name='pkg.sub.helper')",
        "import importlib\nload = importlib.import_module\nload('pkg.sub.helper')",
    ],
)
def test_imports_are_followed_in_every_form_and_place(home: Path, statement: str) -> None:
    package(home, "pkg", "from pkg import base")
    package(home, "pkg.sub")
    write(home, pkg__base="", pkg__sub__mine=statement, pkg__sub__helper="", pkg__sub__unrelated="")
    assert files_of("pkg.sub.mine.Policy") == {
        "pkg/__init__.py", "pkg/base.py", "pkg/sub/__init__.py", "pkg/sub/mine.py", "pkg/sub/helper.py",
    }  # fmt: skip


def test_importing_a_package_counts_what_its_init_imports(home: Path) -> None:
    package(home, "pkg", "from .core import *")
    write(home, mine="import pkg", pkg__core="from . import deep", pkg__deep="")
    assert files_of("mine.Policy") == {"mine.py", "pkg/__init__.py", "pkg/core.py", "pkg/deep.py"}


def test_a_class_in_the_init_of_a_package(home: Path) -> None:
    package(home, "pkg", "from . import core")
    write(home, pkg__core="")
    assert files_of("pkg.Policy") == {"pkg/__init__.py", "pkg/core.py"}


@pytest.mark.parametrize(
    "text", ["__all__ = ['h']", "__all__: list[str] = ['h']", "__all__ = []\n__all__ += ['h']", "__all__.append('h')"]
)
def test_a_star_imports_the_submodules_that_a_package_exports(home: Path, text: str) -> None:
    package(home, "pkg", text)
    write(home, mine="from pkg import *", pkg__h="", pkg__other="")
    assert files_of("mine.Policy") == {"mine.py", "pkg/__init__.py", "pkg/h.py"}
    write(home, mine="import pkg")
    assert files_of("mine.Policy") == {"mine.py", "pkg/__init__.py"}


def test_circles_end(home: Path) -> None:
    write(home, a="import b", b="import a")
    assert files_of("a.Policy") == files_of("b.Policy") == {"a.py", "b.py"}


def test_namespace_packages_in_several_places(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = tmp_path / "other"
    write(home, space__deep__mine="from space.deep import far\nfrom . import near", space__deep__near="")
    write(other, space__deep__far="")
    monkeypatch.syspath_prepend(other)
    assert files_of("space.deep.mine.Policy") == {f"space/deep/{name}.py" for name in ("mine", "near", "far")}


def test_the_current_folder_is_searched_last(home: Path, tmp_path: Path) -> None:
    write(tmp_path, here="", both="A = 'here'")
    write(home, mine="import here, both", both="A = 'on the path'")
    stamp = code_of_class("mine.Policy")
    assert set(stamp.files) == {"mine.py", "here.py", "both.py"}
    assert stamp.files["both.py"] == file_sha256(home / "both.py")


def test_folders_that_snakemake_adds_for_itself_come_last(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Jobs do not have them, so a module of the user's goes first."""
    added = [str(PROJECT / "workflow" / "rules"), str(PROJECT)]
    monkeypatch.setattr(sys, "path", [*added, *(entry for entry in sys.path if entry not in added)])
    assert search_path()[-2:] == tuple(added)
    package(home, "tests")  # as DAF's own folder
    assert files_of("tests.Policy") == {"tests/__init__.py"}


def test_a_file_that_puts_its_own_folder_on_the_path(home: Path) -> None:
    package(home, "pkg")
    write(home, pkg__mine="import sys, os\nsys.path.append(os.path.dirname(__file__))\nimport beside", pkg__beside="")
    assert "beside.py" in files_of("pkg.mine.Policy")


def test_symbolic_links_are_followed_by_content(home: Path, tmp_path: Path) -> None:
    write(tmp_path / "elsewhere", real="import helper", helper="")
    (home / "mine.py").symlink_to(tmp_path / "elsewhere" / "real.py")
    (home / "helper.py").symlink_to(tmp_path / "elsewhere" / "helper.py")
    before = code_of_class("mine.Policy")
    assert set(before.files) == {"mine.py", "helper.py"}
    write(tmp_path / "elsewhere", helper="changed = True")
    assert differences(before, code_of_class("mine.Policy")) == ["helper.py changed"]


def test_other_encodings_are_read(home: Path) -> None:
    (home / "mine.py").write_bytes("# -*- coding: latin-1 -*-\nNAME = 'Käfer'\nimport helper\n".encode("latin-1"))
    (home / "bom.py").write_bytes(b"\xef\xbb\xbfimport helper\n")
    write(home, helper="")
    assert files_of("mine.Policy") == {"mine.py", "helper.py"}
    assert files_of("bom.Policy") == {"bom.py", "helper.py"}


@pytest.mark.parametrize(
    "content", [b"def broken(:\n", b"\xff\xfe nonsense", b"x = 1\0", b"(" * 5000, b"from .... import x"]
)
def test_a_file_that_python_cannot_read_counts_by_content(home: Path, content: bytes) -> None:
    (home / "mine.py").write_bytes(content)
    stamp = code_of_class("mine.Policy")
    assert stamp.files == {"mine.py": file_sha256(home / "mine.py")}
    (home / "mine.py").write_text("import os  # mended")
    assert differences(stamp, code_of_class("mine.Policy")) == ["mine.py changed"]


def test_helpers_come_and_go(home: Path) -> None:
    write(home, mine="import helper, later", helper="")
    first = code_of_class("mine.Policy")
    (home / "helper.py").unlink()
    second = code_of_class("mine.Policy")
    assert differences(first, second) == ["helper.py was removed"]
    write(home, later="")
    assert differences(second, code_of_class("mine.Policy")) == ["later.py is new"]


def test_a_module_that_comes_to_shadow_another_is_noticed(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = tmp_path / "first"
    first.mkdir()
    monkeypatch.syspath_prepend(first)
    write(home, mine="import helper", helper="A = 1")
    before = code_of_class("mine.Policy")
    write(first, helper="A = 'another'")
    assert differences(before, code_of_class("mine.Policy")) == ["helper.py changed"]


def test_a_users_module_that_shadows_an_installed_one_is_the_users(home: Path) -> None:
    write(home, mine="import yaml, statistics", yaml="", statistics="")
    assert files_of("mine.Policy") == {"mine.py", "yaml.py", "statistics.py"}


def test_modules_that_only_an_import_hook_finds(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As of an editable install with a mapping: its sources change, so they are followed."""
    source = tmp_path / "checkout" / "src"
    package(source, "edited", "from . import core")
    write(source, edited__core="")

    class Hook:
        @staticmethod
        def find_spec(name: str, path: object = None, target: object = None) -> object:
            if name != "edited":
                return None
            return importlib_util.spec_from_file_location(
                name, source / "edited" / "__init__.py", submodule_search_locations=[str(source / "edited")]
            )

    import importlib.util as importlib_util

    monkeypatch.setattr(sys, "meta_path", [*sys.meta_path, Hook])
    write(home, mine="import edited")
    assert files_of("mine.Policy") == {"mine.py", "edited/__init__.py", "edited/core.py"}
    assert files_of("edited.core.Policy") == {"edited/__init__.py", "edited/core.py"}


def test_names_are_the_same_in_every_clone(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(home, mine="import helper", helper="")
    stamp = code_of_class("mine.Policy")
    other = tmp_path / "another" / "clone"
    write(other, mine="import helper", helper="")
    monkeypatch.setattr(sys, "path", [str(other), *(entry for entry in sys.path if entry != str(home))])
    assert code_of_class("mine.Policy") == stamp


# ---- what is not followed, and said ----------------------------------------------------------------------------


@pytest.mark.parametrize("class_path", [
    None, "", "lstm", "daf.engine.grid_policy.GridPolicy", "cogames.policy.starter_agent.StarterPolicy",
    "mettagrid.policy.random_agent.RandomMultiAgentPolicy", "pathlib.Path",
])  # fmt: skip
def test_daf_the_engine_and_the_standard_library_have_no_stamp(class_path: str | None) -> None:
    assert code_of_class(class_path) == NO_CODE


def test_what_users_import_of_daf_and_of_others_is_no_file_of_theirs(home: Path) -> None:
    write(
        home, mine="import numpy, json, yaml\nfrom mettagrid.policy import policy\nfrom daf.engine import grid_policy"
    )
    assert files_of("mine.Policy") == {"mine.py"}


def test_an_installed_distribution_counts_by_version() -> None:
    assert code_of_class("yaml.loader.Loader") == CodeStamp(distributions={"PyYAML": metadata.version("PyYAML")})
    assert code_of_class("optuna.study.Study") == CodeStamp(distributions={"optuna": metadata.version("optuna")})


def test_a_compiled_module_is_named(home: Path) -> None:
    (home / f"fast{EXTENSION_SUFFIXES[0]}").write_bytes(b"not really")
    write(home, mine="import fast")
    stamp = code_of_class("mine.Policy")
    assert stamp.unfollowed == ("fast",)
    assert len(stamp.files) == 2  # rebuilt, it is another file
    assert "fast" in unfollowed_in_words(stamp)[0]


def test_a_current_folder_that_was_deleted_holds_nothing(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(home, mine="")
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert files_of("mine.Policy") == {"mine.py"}


def test_a_module_that_does_not_exist_is_named() -> None:
    assert code_of_class("nowhere.at_all.Policy").unfollowed == ("nowhere.at_all",)


def test_a_class_of_the_running_program(home: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    write(tmp_path, program="import helper", helper="")
    monkeypatch.setattr(sys.modules["__main__"], "__file__", str(program), raising=False)
    assert files_of("__main__.Policy") == {"program.py", "helper.py"}
    monkeypatch.delattr(sys.modules["__main__"], "__file__")  # a notebook
    assert code_of_module("__main__").unfollowed == ("__main__",)


def test_a_shorthand_of_the_users_own(home: Path) -> None:
    """The engine finds it in a package of a certain name, and so does DAF, without importing it."""
    package(home, "cogames_agents.policy.deep")
    write(
        home,
        cogames_agents__policy__mine="import helper\nclass Mine:\n    short_names = ['walker']",
        cogames_agents__policy__deep__other="short_names = ['runner']",
        helper="",
    )
    assert files_of("walker") == {"cogames_agents/policy/mine.py", "helper.py"}
    deep = {f"cogames_agents/policy/deep/{name}.py" for name in ("__init__", "other")}
    assert files_of("runner") == deep
    assert code_of_class("lstm") == NO_CODE
    package(home, "cogames_agents")
    assert files_of("walker") == {"cogames_agents/__init__.py", "cogames_agents/policy/mine.py", "helper.py"}


# ---- code that this process has imported -----------------------------------------------------------------------


@pytest.fixture
def imported(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Two files, one of which imports the other; the modules are forgotten afterwards."""
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    (home / "policy_here.py").write_text("import helper_here\n")
    (home / "helper_here.py").write_text("WAY = 1\n")
    yield home
    for name in ("policy_here", "helper_here"):
        sys.modules.pop(name, None)


@pytest.mark.parametrize("first", ["stamped", "imported"])
def test_a_file_edited_after_its_import_is_refused_until_it_is_imported_again(imported: Path, first: str) -> None:
    """Its results would be of the old code with the digest of the new."""
    if first == "stamped":
        code_of_class("policy_here.P")
    importlib.import_module("policy_here")
    before = code_of_class("policy_here.P")
    (imported / "helper_here.py").write_text("WAY = 22\n")
    for _ in range(2):
        with pytest.raises(BadInputError) as caught:
            code_of_class("policy_here.P")
    assert caught.value.expected == "the code that this process has imported"
    assert caught.value.found == "helper_here.py changed since"
    assert caught.value.where == str(imported / "helper_here.py")
    assert "restart Python" in caught.value.hint
    importlib.reload(sys.modules["helper_here"])
    assert differences(before, code_of_class("policy_here.P")) == ["helper_here.py changed"]
    (imported / "helper_here.py").write_text("WAY = 1\n")
    with pytest.raises(BadInputError):
        code_of_class("policy_here.P")


def test_a_file_edited_between_its_stamp_and_its_import_is_accepted(imported: Path) -> None:
    before = code_of_class("policy_here.P")
    (imported / "helper_here.py").write_text("WAY = 22\n")
    importlib.import_module("policy_here")
    assert differences(before, code_of_class("policy_here.P")) == ["helper_here.py changed"]


def test_a_module_next_to_a_mission_that_was_edited_after_its_import_is_refused(imported: Path, tmp_path: Path) -> None:
    mission = tmp_path / "arena.py"
    mission.write_text("import helper_here\n")
    exec(compile(mission.read_text(), str(mission), "exec"), {})
    code_of_mission_file(mission)
    mission.write_text("import helper_here  # run again each time, so it may change\n")
    code_of_mission_file(mission)
    (imported / "helper_here.py").write_text("WAY = 22\n")
    with pytest.raises(BadInputError, match=r"helper_here\.py changed since"):
        code_of_mission_file(mission)


# ---- missions, functions, data ---------------------------------------------------------------------------------


def test_a_mission_file_counts_with_the_modules_next_to_it(tmp_path: Path) -> None:
    folder = tmp_path / "missions"
    write(folder, arena="import sys\nsys.path.insert(0, '.')\nimport size", size="from sizes import N", sizes="")
    stamp = code_of_mission_file(folder / "arena.py")
    assert set(stamp.files) == {"arena.py", "size.py", "sizes.py"}
    write(folder, sizes="N = 40")
    assert differences(stamp, code_of_mission_file(folder / "arena.py")) == ["sizes.py changed"]


@pytest.mark.parametrize(
    "text",
    [
        "  map_builder:\n    type: maps.Mine\n",
        '{"map_builder": {"type": "maps.Mine"}}',
        "map_builder:\n  type: >-\n    maps.Mine\n",
        "scenes:\n- type: |\n    maps.Mine\n",
        '"typ\\x65": "maps\\x2eMine"',
        "a: &a\n  type: maps.Mine\nb: {<<: *a, c: 1}\n",
    ],
)
def test_a_mission_file_counts_with_the_classes_that_it_names(home: Path, text: str) -> None:
    write(home, maps="import parts", parts="")
    (home / "m.yaml").write_text(text)
    assert set(code_of_mission_file(home / "m.yaml").files) == {"m.yaml", "maps.py", "parts.py"}
    (home / "m.yaml").write_text("type: no.class\n")
    assert code_of_mission_file(home / "m.yaml").unfollowed == ()


def test_functions(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def objective(trial: object) -> float:
        return 1.0

    assert "tests/unit/system/test_user_code.py" in code_of_function(objective).files
    assert code_of_function(functools.partial(objective, 1)) == code_of_function(objective)
    monkeypatch.setattr(objective, "__module__", "__main__")
    (name,) = code_of_function(objective).files
    assert name.endswith("objective")
    made: dict[str, object] = {"__name__": "__main__"}
    exec("def f(trial): return 1", made)
    assert code_of_function(made["f"]).unfollowed == ("__main__.f",)  # type: ignore[arg-type]


def test_files_that_arguments_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "table.npy").write_bytes(b"1")
    values = {"table": "table.npy", "deep": [{"again": Path("table.npy")}], "name": "other", "long": "x" * 5000, "n": 3}
    stamp = data_files(values)
    assert stamp.files == {"table.npy": file_sha256("table.npy")}
    (tmp_path / "table.npy").write_bytes(b"22")
    assert differences(stamp, data_files(values)) == ["table.npy changed"]


# ---- stamps as data --------------------------------------------------------------------------------------------


def test_stamps_anywhere_in_a_recipe_become_one() -> None:
    one, two = CodeStamp(files={"a.py": "1" * 64}), CodeStamp(distributions={"theirs": "1.0"}, unfollowed=("b",))
    recipe = {"code": one.model_dump(), "members": [[{"code": two.model_dump()}, 1.0]], "other": {"code": "text"}}
    assert code_in(recipe) == CodeStamp(files=one.files, distributions=two.distributions, unfollowed=("b",))
    assert code_in({}) == NO_CODE


def test_two_files_of_one_name_are_both_kept() -> None:
    merged = CodeStamp.merged([CodeStamp(files={"a.py": "1" * 64}), CodeStamp(files={"a.py": "2" * 64})])
    assert merged.files == {"a.py": "1" * 64, "a.py (22222222)": "2" * 64}


def test_a_new_version_of_a_distribution_is_said() -> None:
    old, new = (CodeStamp(distributions={"theirs": version}) for version in ("1.0", "1.1"))
    assert differences(old, new) == ["theirs 1.0 became 1.1"]
    assert differences(old, old) == []


def test_planning_reads_a_file_once(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(home, mine="import helper", helper="")
    code_of_class("mine.Policy")

    def refuse(*_: object) -> None:
        raise AssertionError("read again")

    monkeypatch.setattr(ModuleFinder, "closure", refuse)
    assert set(code_of_class("mine.Policy").files) == {"mine.py", "helper.py"}
    os.utime(home / "helper.py", ns=(1, 1))
    with pytest.raises(AssertionError):
        code_of_class("mine.Policy")
