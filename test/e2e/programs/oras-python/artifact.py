"""Artifacts by the ORAS library for Python, over plain HTTP."""

import argparse
import os

from oras.client import OrasClient

CHUNK_BYTES = 8 * 1024 * 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--auth", choices=["token", "basic"], default="token")
    commands = parser.add_subparsers(dest="command", required=True)
    push = commands.add_parser("push")
    push.add_argument("--chunked", action="store_true")
    push.add_argument("target")
    push.add_argument("files", nargs="+", help="names of files of this folder")
    pull = commands.add_parser("pull")
    pull.add_argument("target")
    pull.add_argument("folder")
    commands.add_parser("tags").add_argument("repository")
    commands.add_parser("delete").add_argument("target")
    login = commands.add_parser("login")
    login.add_argument("registry")
    login.add_argument("user")
    login.add_argument("password")
    arguments = parser.parse_args()

    client = OrasClient(insecure=True, auth_backend=arguments.auth)
    if arguments.command == "push":
        client.push(
            arguments.target,
            files=arguments.files,
            do_chunked=arguments.chunked,
            chunk_size=CHUNK_BYTES,
        )
    elif arguments.command == "pull":
        for file in client.pull(arguments.target, outdir=arguments.folder):
            print(os.path.relpath(file, arguments.folder))
    elif arguments.command == "tags":
        print("\n".join(client.get_tags(arguments.repository)))
    elif arguments.command == "login":
        client.login(
            hostname=arguments.registry,
            username=arguments.user,
            password=arguments.password,
        )
    else:
        repository, _, tag = arguments.target.rpartition(":")
        if not client.delete_tag(repository, tag):
            raise SystemExit(f"no tag {tag}")


main()
