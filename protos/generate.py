"""Generate the stubs of every .proto file, or check that the committed ones are fresh.

python protos/generate.py           write the stubs
python protos/generate.py --check   generate into a temporary folder and compare
python protos/generate.py --third-party   only copy google/api's protos to the folder where buf finds them
"""

import importlib.resources
import json
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc_tools
from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet
from grpc_tools import protoc

ROOT = Path(__file__).parent
THIRD_PARTY = ROOT / "third_party"
COMMENTS = "comments.json"
GENERATED = ("*_pb2.py", "*_pb2.pyi", "*_pb2_grpc.py", "*_pb2_grpc.pyi", COMMENTS)


def link_google_api() -> None:
    """Copy google/api's protos from the installed googleapis-common-protos. buf then needs no network."""
    import google.api.annotations_pb2

    source = Path(google.api.annotations_pb2.__file__).parent
    target = THIRD_PARTY / "google" / "api"
    if target.is_symlink():
        target.unlink()
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    for name in ("annotations.proto", "field_behavior.proto", "http.proto"):
        shutil.copy(source / name, target / name)


def generate(out: Path) -> None:
    """Write the stubs below `out`."""
    well_known = importlib.resources.files(grpc_tools) / "_proto"
    bin_dir = Path(sys.executable).parent
    arguments = [
        "protoc",
        f"-I{ROOT}",
        f"-I{THIRD_PARTY}",
        f"-I{well_known}",
        f"--python_out={out}",
        f"--grpc_python_out={out}",
        f"--mypy_out=quiet:{out}",
        f"--mypy_grpc_out=quiet,only_async:{out}",
        f"--plugin=protoc-gen-mypy={bin_dir / 'protoc-gen-mypy'}",
        f"--plugin=protoc-gen-mypy_grpc={bin_dir / 'protoc-gen-mypy_grpc'}",
        "--include_source_info",
        f"--descriptor_set_out={out / 'descriptors.binpb'}",
        *sorted(str(path) for path in (ROOT / "trivet").rglob("*.proto")),
    ]
    if protoc.main(arguments) != 0:
        raise SystemExit("protoc failed: see above")
    write_comments(out)


def write_comments(out: Path) -> None:
    """Write the comment of each name, which the stubs drop: the API description is made from them."""
    image = out / "descriptors.binpb"
    files = FileDescriptorSet.FromString(image.read_bytes()).file
    found = {name: comment for file in files for name, comment in comments_of(file)}
    image.unlink()
    (out / COMMENTS).write_text(json.dumps(found, indent=1, sort_keys=True, ensure_ascii=False) + "\n")


def comments_of(file: FileDescriptorProto) -> Iterator[tuple[str, str]]:
    """Yield the full name and the comment of each message, field, service, RPC, enum and value that has a comment."""
    for location in file.source_code_info.location:
        if not location.leading_comments or len(location.path) % 2:
            continue
        current: Any = file
        names = [file.package]
        for number, index in zip(location.path[::2], location.path[1::2], strict=True):
            current = getattr(current, current.DESCRIPTOR.fields_by_number[number].name)[index]
            names.append(current.name)
        yield ".".join(names), " ".join(location.leading_comments.split())


def stale(fresh: Path) -> list[str]:
    """Return the generated files that differ from `fresh`, are missing, or have no .proto."""
    names = {str(path.relative_to(root)) for root in (ROOT, fresh) for glob in GENERATED for path in root.rglob(glob)}

    def same(name: str) -> bool:
        committed, made = ROOT / name, fresh / name
        return committed.exists() and made.exists() and committed.read_bytes() == made.read_bytes()

    return sorted(name for name in names if not same(name))


def main() -> None:
    link_google_api()
    if "--third-party" in sys.argv:
        return
    if "--check" not in sys.argv:
        for glob in GENERATED:
            for path in ROOT.rglob(glob):
                path.unlink()
        generate(ROOT)
        return
    with tempfile.TemporaryDirectory() as folder:
        generate(Path(folder))
        differing = stale(Path(folder))
    if differing:
        raise SystemExit("stale generated code, run `make protos`:\n  " + "\n  ".join(differing))


if __name__ == "__main__":
    main()
