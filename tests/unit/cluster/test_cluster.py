"""Settings and inventory of clusters, and what happens to jobs; with fakes of Slurm's programs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
import yte
from snakemake_executor_plugin_slurm.submit_string import get_submit_command
from snakemake_executor_plugin_slurm.utils import set_gres_string

from daf.cluster import orphans
from daf.cluster.check import Request, check_jobs, check_modules, find_problems
from daf.cluster.inventory import (
    Inventory,
    parse_gres,
    parse_minutes,
    parse_partitions,
    parse_settings,
    read_inventory,
)
from daf.cluster.orphans import parse_orphans, settle_orphans
from daf.cluster.settings import ClusterSettings, load_cluster
from daf.cluster.status import job_status
from daf.errors import BadInputError, ConfigError, UnfitEnvironmentError

Programs = Callable[..., Path]


# ---- settings ---------------------------------------------------------------------------------------------


def evaluated(expression: str, **names: Any) -> Any:
    """As Snakemake evaluates a resource of a profile."""
    return eval(expression, names)


def test_expressions_grow_with_attempts_up_to_the_cluster() -> None:
    cluster = ClusterSettings(max_memory_mb=20_000, max_minutes=1000)
    assert [evaluated(cluster.memory_mb(8000), attempt=attempt) for attempt in (1, 2, 3)] == [8000, 16000, 20000]
    assert [evaluated(cluster.minutes(400), attempt=attempt) for attempt in (1, 2, 3)] == [400, 800, 1000]


def test_names_that_python_knows_stay_names() -> None:
    cluster = ClusterSettings(
        cpu_partition="all", gpu_partition="max", gres="gpu:a100", max_memory_mb=20_000, max_minutes=1000
    )
    assert evaluated(cluster.partition()) == "all"
    assert [evaluated(cluster.partition("input"), input=files) for files in ([], ["weights"])] == ["all", "max"]
    assert evaluated(cluster.gpus("threads"), threads=4) == "gpu:a100:4"
    assert [evaluated(cluster.gpus(1, "input"), input=files) for files in ([], ["weights"])] == ["", "gpu:a100:1"]
    assert evaluated(cluster.gpus(1, "input", "none"), input=[]) == "none"


def test_the_shipped_file_is_read_and_documents_every_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DAF_CLUSTER", raising=False)
    load_cluster()
    path = Path(__file__).parents[3] / "profiles" / "slurm" / "cluster.yaml"
    assert set(yaml.safe_load(path.read_text())) == set(ClusterSettings.model_fields)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("gpu_partiton: gpu\nmax_memory_mb: 8000\nmax_minutes: 60\n", "did you mean 'gpu_partition'"),
        ("max_memory_mb: lots\nmax_minutes: 60\n", "max_memory_mb"),
        ("gres: gpu 4\nmax_memory_mb: 8000\nmax_minutes: 60\n", "gres"),
        ("max_minutes: 60\n", "max_memory_mb"),
    ],
)
def test_a_wrong_file_is_refused(text: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    monkeypatch.setenv("DAF_CLUSTER", str(path))
    with pytest.raises(ConfigError) as caught:
        load_cluster()
    assert words in str(caught.value)
    assert "mine.yaml" in str(caught.value)


# ---- inventory --------------------------------------------------------------------------------------------

# sinfo of a cluster with two kinds of GPU nodes, one partition that is down, and one without a limit.
SINFO = """\
cpu|up|1-00:00:00|40|64|256000|(null)|amd
gpu|up|2-00:00:00|8|64|512000|gpu:a100:4(S:0-1)|nvlink,ib
gpu|up|2-00:00:00|4|32|192000|gpu:v100:2,nvme:1|(null)
old|down|infinite|2|16+|64000+|(null)|(null)
"""


def test_partitions() -> None:
    partitions = parse_partitions(SINFO)
    assert list(partitions) == ["cpu", "gpu", "old"]
    gpu = partitions["gpu"]
    assert (gpu.up, gpu.max_minutes, sum(group.count for group in gpu.groups)) == (True, 2880, 12)
    assert gpu.groups[0].gres == {"gpu": 4, "gpu:a100": 4}
    assert gpu.groups[0].features == {"nvlink", "ib"}
    assert gpu.groups[1].gres == {"gpu": 2, "gpu:v100": 2, "nvme": 1}
    assert gpu.groups[1].features == set()
    old = partitions["old"]
    assert (old.up, old.max_minutes, old.groups[0].cpus, old.groups[0].memory_mb) == (False, None, 16, 64000)
    assert old.groups[0].gres == {}


@pytest.mark.parametrize(
    ("text", "minutes"),
    [("1-00:00:00", 1440), ("2-06:30:00", 3270), ("12:00:00", 720), ("30:00", 30), ("infinite", None), ("5", 0)],
)
def test_limits(text: str, minutes: int | None) -> None:
    assert parse_minutes(text) == minutes


def test_gres_of_two_types_add_up() -> None:
    assert parse_gres("gpu:a100:4,gpu:v100:2") == {"gpu": 6, "gpu:a100": 4, "gpu:v100": 2}


def test_settings() -> None:
    text = "Configuration data as of now\nMinJobAge               = 300 sec\nAccountingStorageType   = (null)\n"
    assert parse_settings(text) == {"MinJobAge": "300 sec", "AccountingStorageType": "(null)"}


CONFIG = "MinJobAge = 300 sec\\nAccountingStorageType = accounting_storage/{}\\n"


def test_reading_a_cluster(programs: Programs) -> None:
    programs(
        sinfo=f"cat <<'END'\n{SINFO}END",
        scontrol=f"printf '{CONFIG.format('slurmdbd')}'",
        sacctmgr='case "$*" in *associations*) echo lab; echo guest;; *) echo normal;; esac',
    )
    inventory = read_inventory("ada")
    assert inventory.accounts == {"lab", "guest"}
    assert inventory.qos == {"normal"}
    assert inventory.min_job_age_seconds == 300
    assert set(inventory.partitions) == {"cpu", "gpu", "old"}


@pytest.mark.parametrize("storage", ["none", "slurmdbd"])
def test_without_accounting_nothing_is_known_of_accounts(storage: str, programs: Programs) -> None:
    programs(
        sinfo=f"cat <<'END'\n{SINFO}END",
        scontrol=f"printf '{CONFIG.format(storage)}'",
        sacctmgr="echo down >&2; exit 1",
    )
    inventory = read_inventory("ada")
    assert (inventory.accounts, inventory.qos) == (None, None)


def test_a_slurm_that_does_not_answer_is_an_error(programs: Programs) -> None:
    programs(sinfo="echo 'Unable to contact slurm controller' >&2; exit 1")
    with pytest.raises(UnfitEnvironmentError, match="Unable to contact slurm controller"):
        check_jobs([("run_trial", 1, {"slurm_partition": "gpu"})], status_command="squeue")


def test_nothing_is_asked_where_no_job_names_a_partition(programs: Programs) -> None:
    log = programs(sinfo="exit 1")
    check_jobs([("run_trial", 1, {"gpu": 1, "mem_mb": 8000})], status_command="squeue")
    assert not log.exists()


# ---- check ------------------------------------------------------------------------------------------------


def inventory(**changes: Any) -> Inventory:
    facts: dict[str, Any] = {
        "partitions": parse_partitions(SINFO),
        "accounts": frozenset({"lab"}),
        "qos": frozenset({"normal", "long"}),
        "min_job_age_seconds": 300,
    }
    return Inventory(**{**facts, **changes})


def request(**changes: Any) -> Request:
    return Request(**{"rule": "train_policy", "partition": "gpu", **changes})


@pytest.mark.parametrize(
    "fine",
    [
        request(gres="gpu:4", nodes=8, cpus=64, memory_mb=512_000, minutes=2880, account="lab", qos="long"),
        request(gres="gpu:v100:2", nodes=4),
        request(gres="gpu:2", nodes=12),
        request(constraint="nvlink&ib", nodes=8),
        request(constraint="[nvlink*2&ib]"),  # more than a plain list: Slurm's to judge
        request(partition="cpu", nodes=40),
        request(gres="gpu"),
    ],
)
def test_what_exists_is_no_problem(fine: Request) -> None:
    assert find_problems([fine], inventory(), status_command="squeue") == []


@pytest.mark.parametrize(
    ("wrong", "expected", "found", "hint"),
    [
        ({"partition": "gpus"}, "a partition of this cluster", "'gpus'", "did you mean 'gpu'?"),
        ({"partition": "old"}, "a partition that is up", "'old' is not", "sinfo"),
        ({"account": "labb"}, "a Slurm account that you have", "'labb'", "did you mean 'lab'?"),
        ({"qos": "logn"}, "a Slurm qos that you have", "'logn'", "did you mean 'long'?"),
        ({"gres": "gpu:h100:1"}, "nodes with 'gpu:h100' in partition 'gpu'", "1", "gpu:a100"),
        ({"gres": "gpu:8"}, "at most 4 of 'gpu' per node", "8", "gpu:a100"),
        ({"partition": "cpu", "gres": "gpu:1"}, "nodes with 'gpu' in partition 'cpu'", "1", "it has none"),
        ({"constraint": "nvlnk"}, "nodes with the feature 'nvlnk'", "none", "did you mean 'nvlink'?"),
        ({"memory_mb": 600_000}, "at most 512000 MB", "600000", "cluster.max_memory_mb"),
        ({"minutes": 3000}, "at most 2880 minutes", "3000", "cluster.max_minutes"),
        ({"cpus": 100}, "at most 64 cores", "100", "fewer processes"),
        ({"gres": "gpu:4", "nodes": 9}, "9 nodes with everything that the job requests", "8", "num_machines"),
        ({"gres": "gpu:v100:1", "constraint": "ib"}, "1 node with everything", "0", "another partition"),
    ],
)
def test_what_does_not_exist_is_named_once(wrong: dict[str, Any], expected: str, found: str, hint: str) -> None:
    (problem,) = find_problems([request(**wrong)] * 2, inventory(), status_command="squeue")
    assert expected in problem.expected
    assert problem.found == found
    assert hint in problem.hint


def test_accounts_are_not_judged_without_accounting() -> None:
    assert (
        find_problems([request(account="x", qos="y")], inventory(accounts=None, qos=None), status_command="squeue")
        == []
    )


def test_jobs_that_squeue_forgets_too_soon() -> None:
    short = inventory(min_job_age_seconds=60)
    (problem,) = find_problems([request()], short, status_command="squeue")
    assert "MinJobAge of at least 240 s" in problem.expected
    assert find_problems([request()], short, status_command="sacct") == []
    assert find_problems([request()], short, status_command=None) == []


def test_partitions_that_cancel_what_they_preempt(programs: Programs) -> None:
    shown = "PartitionName=gpu AllowGroups=ALL State=UP PreemptMode=CANCEL\\nPartitionName=cpu PreemptMode=REQUEUE\\n"
    programs(
        sinfo=f"cat <<'END'\n{SINFO}END",
        scontrol=f'case "$*" in *partition*) printf "{shown}";; *) '
        f'printf "{CONFIG.format("none")}PreemptType = preempt/partition_prio\\n";; esac',
    )
    cluster = read_inventory("ada")
    assert [cluster.partitions[name].preempt_mode for name in ("cpu", "gpu", "old")] == ["REQUEUE", "CANCEL", "OFF"]
    (problem,) = find_problems([request(), request(partition="cpu")], cluster, status_command="squeue")
    assert problem.found == "PreemptMode=CANCEL of partition 'gpu'"
    assert find_problems([request()], cluster, status_command=None) == []


def test_modules_must_be_loaded() -> None:
    loaded = {"LOADEDMODULES": "gcc/12:python/3.12.1"}
    check_modules([], {})
    check_modules(["python", "gcc/12"], loaded)
    with pytest.raises(BadInputError) as caught:
        check_modules(["python/3.11", "gcc", "cuda"], loaded)
    assert caught.value.expected == "environment modules python/3.11, cuda"
    assert caught.value.hint.startswith("module load python/3.11 cuda")


def test_what_a_job_asks_for() -> None:
    resources = {
        "slurm_partition": "gpu", "gres": "gpu:2", "nodes": 2, "mem_mb": 16000, "runtime": 720, "slurm_account": "lab"
    }  # fmt: skip
    assert Request.of_job("train_policy", 2, resources) == request(
        gres="gpu:2", nodes=2, cpus=2, memory_mb=16000, minutes=720, account="lab"
    )
    assert Request.of_job("run_trial", 1, {"slurm_partition": "gpu", "gpu": 2}).gres == "gpu:2"  # type: ignore[union-attr]
    assert Request.of_job("run_trial", 1, {"slurm_partition": "gpu", "gres": "none"}).gres is None  # type: ignore[union-attr]


# ---- orphans ----------------------------------------------------------------------------------------------


def test_orphans_are_this_folders_unfinished_jobs_of_rules(tmp_path: Path) -> None:
    listed = (
        f"1|RUNNING|rule_train_policy_wildcards_a_1|{tmp_path}\n"
        f"2|PENDING|rule_run_trial_wildcards_s_0001|{tmp_path}\n"
        f"3|COMPLETED|rule_run_trial_wildcards_s_0000|{tmp_path}\n"
        f"4|RUNNING|rule_run_trial_wildcards_s_0000|{tmp_path}-other\n"
        f"5|RUNNING|mine|{tmp_path}\n"
        f"6|COMPLETING|rule_evaluate_policy_wildcards_x|{tmp_path}\n"
    )
    orphans = parse_orphans(listed, tmp_path)
    assert [orphan.job_id for orphan in orphans] == ["1", "2", "6"]
    assert str(orphans[0]) == "1 (train_policy a_1)"
    assert [orphan.pending for orphan in orphans] == [False, True, False]


def test_pending_orphans_are_cancelled_and_running_ones_waited_for(
    tmp_path: Path, programs: Programs, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = {
        0: f"7|RUNNING|rule_a|{tmp_path}\n8|PENDING|rule_b|{tmp_path}\n",
        1: f"7|RUNNING|rule_a|{tmp_path}\n8|CANCELLED|rule_b|{tmp_path}\n",
        2: f"7|COMPLETED|rule_a|{tmp_path}\n",
    }
    log = programs(scancel="")
    looks = iter([0, 1, 1, 2])
    monkeypatch.setattr(orphans, "ask", lambda *_: rows[next(looks)])
    said: list[str] = []
    slept: list[float] = []
    assert settle_orphans(tmp_path, said.append, sleep=slept.append) is True
    assert log.read_text() == "scancel --state=PENDING 8\n"
    assert [line.partition(":")[2] for line in said] == [
        " 8",
        " 7 (a). Waiting for them; scancel any you do not need.",
    ]
    assert slept == [2.0, 4.0]


def test_without_orphans_nothing_happens(tmp_path: Path, programs: Programs) -> None:
    log = programs(squeue=f"echo '9|RUNNING|rule_a|{tmp_path}-other'", scancel="")
    assert settle_orphans(tmp_path, pytest.fail) is False
    assert "scancel" not in log.read_text()


# ---- status -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("squeue", "sacct", "status"),
    [
        ("echo PENDING", "exit 1", "running"),
        ("echo COMPLETING", "exit 1", "running"),
        ("echo COMPLETED", "exit 1", "success"),
        ("echo PREEMPTED", "exit 1", "failed"),
        ("echo OUT_OF_MEMORY", "exit 1", "failed"),
        ("echo 'Unable to contact slurm controller' >&2; exit 1", "exit 1", "running"),
        ("echo 'Invalid job id specified' >&2; exit 1", "echo COMPLETED", "success"),
        ("echo 'Invalid job id specified' >&2; exit 1", "echo 'CANCELLED by 1000'", "failed"),
        ("echo 'Invalid job id specified' >&2; exit 1", "exit 1", "failed"),
    ],
)
def test_status(squeue: str, sacct: str, status: str, programs: Programs) -> None:
    programs(squeue=squeue, sacct=sacct)
    assert job_status("4711") == status


# ---- the profile ------------------------------------------------------------------------------------------

PROFILES = Path(__file__).parents[3] / "profiles"
LIMITS = "max_memory_mb: 60000\nmax_minutes: 1440\n"


def profile(name: str, settings: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """A profile as Snakemake reads it, for a cluster with these settings."""
    (folder / "cluster.yaml").write_text(settings + LIMITS)
    monkeypatch.setenv("DAF_CLUSTER", str(folder / "cluster.yaml"))
    with (PROFILES / name / "config.v9+.yaml").open() as stream:
        content: dict[str, Any] = yte.process_yaml(stream, require_use_yte=True)
    return content


@pytest.mark.parametrize("name", ["slurm", "cluster-generic"])
def test_without_gpus_nothing_asks_for_them(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = profile(name, "gpu_partition: null\ncpu_partition: all\n", tmp_path, monkeypatch)
    assert evaluated(content["default-resources"]["slurm_partition"]) == "all"
    for resources in content["set-resources"].values():
        assert not {"slurm_partition", "gres", "tasks_per_gpu", "cores_per_gpu"} & set(resources)


def test_a_cluster_with_everything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = (
        "account: lab\nqos: long\nconstraint: nvlink\nscratch: /scratch/ada\nextra: --reservation=x\ngres: gpu:a100\n"
        "trials_per_job: 8\ncores_per_gpu: 12\n"
    )
    content = profile("slurm", settings, tmp_path, monkeypatch)
    asked = {key: evaluated(content["default-resources"][key]) for key in (
        "slurm_account", "qos", "constraint", "tmpdir", "slurm_extra"
    )}  # fmt: skip
    assert list(asked.values()) == ["lab", "long", "nvlink", "/scratch/ada", "--reservation=x"]
    trial, training = content["set-resources"]["run_trial"], content["set-resources"]["train_policy"]
    assert content["config"]["trials_per_job"] == 8
    assert evaluated(trial["gres"]) == "gpu:a100:1"
    assert evaluated(training["gres"], threads=48) == "gpu:a100:4"
    assert (trial["cores_per_gpu"], training["cores_per_gpu"]) == (12, 12)
    assert training["tasks_per_gpu"] == 0
    assert content["set-resources"]["run_rung_trial"] == content["set-resources"]["confirm_trial"]


@pytest.mark.parametrize("settings", ["", "evaluate_on_gpu: true\ncores_per_gpu: 3\n"])
def test_both_cluster_profiles_ask_for_the_same(settings: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    slurm, other = (profile(name, settings, tmp_path, monkeypatch) for name in ("slurm", "cluster-generic"))
    for content in (slurm, other):
        content["set-resources"]["train_policy"].pop("tasks_per_gpu", None)
        for rule in ("evaluate_policy", "play_match"):
            playing = content["set-resources"][rule]
            if "gres" in playing:
                playing["gres"] = evaluated(playing["gres"], input=SimpleNamespace(weights=["model"]))
    assert slurm["set-resources"] == other["set-resources"]


@pytest.mark.parametrize(("usable", "cores"), [(16, 16), (1, 1)])
def test_jobs_of_a_machine_with_a_gpu_get_the_cores_that_it_may_use(
    usable: int, cores: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("daf.system.limits.usable_cpus", lambda: usable)
    with (PROFILES / "local-gpu" / "config.v9+.yaml").open() as stream:
        content = yte.process_yaml(stream, require_use_yte=True)
    assert (content["cores"], content["resources"]) == (usable, ["gpu=1"])
    rules = content["set-resources"]
    assert [rules[rule]["cores_per_gpu"] for rule in ("run_trial", "confirm_trial", "train_policy")] == [cores] * 3
    assert evaluated(rules["train_policy"]["gpu"], threads=usable) == 1
    assert rules["evaluate_policy"] == {"gpu": 0, "cores_per_gpu": 1}


# ---- submit lines -----------------------------------------------------------------------------------------


class Resources(dict[str, Any]):
    """With attributes, as those of Snakemake's jobs."""

    __getattr__ = dict.__getitem__


def submit_line(content: dict[str, Any], rule: str, threads: int, *, weights: bool = True, **of_rule: Any) -> str:
    """What the executor's plugin asks of sbatch for a job of a rule, from the partition on."""
    names = {"threads": threads, "attempt": 1, "input": SimpleNamespace(weights=["model"] if weights else [])}
    texts = content["default-resources"] | content["set-resources"][rule]
    resources = {key: evaluated(text, **names) if isinstance(text, str) else text for key, text in texts.items()}
    job = SimpleNamespace(threads=threads, resources=Resources(of_rule | resources))
    partition = f"-p {resources['slurm_partition']}"
    blank = {"run_uuid": "", "slurm_logfile": "", "comment_str": "", "account": "", "workdir": ""}
    line = get_submit_command(job, {**blank, "partition": partition}) + set_gres_string(job)
    return " ".join(line[line.index(partition) :].split())


# As many threads as the rule requests: those of its processes, times cores_per_gpu if they use GPUs.
@pytest.mark.parametrize(
    ("settings", "rule", "threads", "expected"),
    [
        ("", "run_trial", 8, "-p gpu -t 120 --mem 8000 --cpus-per-task=8 --gres=gpu:1"),
        ("", "run_rung_trial", 8, "-p gpu -t 120 --mem 8000 --cpus-per-task=8 --gres=gpu:1"),
        ("", "confirm_trial", 8, "-p gpu -t 120 --mem 8000 --cpus-per-task=8 --gres=gpu:1"),
        ("", "train_policy", 8, "-p gpu -t 720 --mem 16000 --nodes=2 --cpus-per-task=8 --gres=gpu:1"),
        ("", "train_policy", 32, "-p gpu -t 720 --mem 16000 --nodes=2 --cpus-per-task=32 --gres=gpu:4"),
        ("", "evaluate_policy", 1, "-p cpu -t 120 --mem 8000 --ntasks=1 --cpus-per-task=1"),
        (
            "task_per_gpu: true\ncores_per_gpu: 5\n", "train_policy", 20,
            "-p gpu -t 720 --mem 16000 --nodes=2 --ntasks-per-gpu=1 --cpus-per-task=5 --gres=gpu:4",
        ),
        (
            "evaluate_on_gpu: true\ncores_per_gpu: 5\n", "evaluate_policy", 5,
            "-p gpu -t 120 --mem 24000 --cpus-per-task=5 --gres=gpu:1",
        ),
        (
            "evaluate_on_gpu: true\ngpu_partition: null\n", "evaluate_policy", 1,
            "-p cpu -t 120 --mem 8000 --ntasks=1 --cpus-per-task=1",
        ),
        (
            "gpu_partition: null\n", "train_policy", 4,
            "-p cpu -t 720 --mem 16000 --nodes=2 --ntasks=2 --cpus-per-task=4",
        ),
    ],
)  # fmt: skip
def test_submit_lines(
    settings: str, rule: str, threads: int, expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = profile("slurm", settings, tmp_path, monkeypatch)
    of_rule = {"nodes": 2, "tasks": 2} if rule == "train_policy" else {}
    assert submit_line(content, rule, threads, **of_rule) == expected


def test_a_scripted_policy_asks_for_no_gpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = profile("slurm", "evaluate_on_gpu: true\n", tmp_path, monkeypatch)
    line = submit_line(content, "evaluate_policy", 1, weights=False)
    assert line == "-p cpu -t 120 --mem 8000 --ntasks=1 --cpus-per-task=1"
