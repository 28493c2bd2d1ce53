"""What mkdocs asks DAF while it builds the site (`hooks` in mkdocs.yml).

Some pages lie elsewhere in the repository, where people look for them first: the README, the explanations of
config/ and profiles/. They become pages here, and links from page to page are adapted. A link to any other file of the
repository leads to its host, if the site is built with an address (`REPOSITORY_URL`), and else is plain text.

It imports nothing of DAF: Read the Docs builds the site without installing it.
"""

from __future__ import annotations

import os
import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

from docs.generator import flowchart  # found in the current folder by `python -m mkdocs`

ROOT = Path(__file__).parents[2]
# Page of the site → file of the repository.
ELSEWHERE = {
    "index.md": "README.md",
    "tutorials/examples.md": "examples/README.md",
    "how-to/clusters.md": "profiles/README.md",
    "reference/configuration.md": "config/README.md",
    "reference/orchestrators.md": "daf/orchestrators/README.md",
    "explanation/benchmarks.md": "benchmarks/README.md",
    "contributing.md": "CONTRIBUTING.md",
    "tests.md": "tests/README.md",
    "changelog.md": "CHANGELOG.md",
    "security.md": "SECURITY.md",
}
LINK = re.compile(r"(!?)\[((?:[^\[\]]|\[[^\]]*\])*)\]\(([^()\s]+)\)")
FENCE = re.compile(r"(^```.*?^```$)", re.MULTILINE | re.DOTALL)


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Flow charts are drawn here; `mkdocs serve` watches pages elsewhere too; the environment names the repository."""
    mermaid = {"name": "mermaid", "class": "flowchart", "format": flowchart.fence}
    config.mdx_configs.setdefault("pymdownx.superfences", {})["custom_fences"] = [mermaid]
    config.watch.extend(str(ROOT / source) for source in ELSEWHERE.values())
    config.repo_url = os.environ.get("REPOSITORY_URL", "").removesuffix(".git") or None
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that lie elsewhere."""
    for page, source in ELSEWHERE.items():
        files.append(File.generated(config, page, abs_src_path=str(ROOT / source)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, **_: Any) -> str:
    """Adapt the links, but not what code blocks show."""
    uri = page.file.src_uri
    if uri == "index.md":
        page.meta["hide"] = ["navigation"]  # the first page is alone in its section
    parts = FENCE.split(markdown)
    return "".join(part if index % 2 else adapted(part, uri, config.repo_url) for index, part in enumerate(parts))


def adapted(text: str, uri: str, repository: str | None) -> str:
    """The text of the page at `uri`, with links that hold on the site."""
    return LINK.sub(lambda match: _link(match, uri, repository), text)


def _link(match: re.Match[str], uri: str, repository: str | None) -> str:
    image, shown, address = match.groups()
    path, hash_sign, anchor = address.partition("#")
    if re.match(r"\w+:", address) or not path:
        return match[0]
    target = posixpath.normpath(posixpath.join(posixpath.dirname(source_of(uri)), path))
    on_site = page_of(target)
    if on_site:
        return f"{image}[{shown}]({posixpath.relpath(on_site, posixpath.dirname(uri) or '.')}{hash_sign}{anchor})"
    return f"[{shown}]({repository}/blob/main/{target}{hash_sign}{anchor})" if repository else shown


def source_of(uri: str) -> str:
    """The file of the repository that a page of the site is made from."""
    return ELSEWHERE.get(uri, f"docs/{uri}")


def page_of(source: str) -> str | None:
    """The page or picture of the site that is made from a file of the repository."""
    for page, other in ELSEWHERE.items():
        if other == source:
            return page
    is_page = source.startswith("docs/") and not source.startswith("docs/generator")
    return source.removeprefix("docs/") if is_page else None
