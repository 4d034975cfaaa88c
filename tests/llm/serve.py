"""Serves a GGUF model on loopback until killed: llama.cpp's own HTTP server, in a process of its own.

``python -m tests.llm.serve FILE.gguf [--template FILE] [--threads N]`` prints its address once it answers. With the template
beside this file a forced tool of the Anthropic API works; without it the model's own template is used.
"""

from __future__ import annotations

import signal
from pathlib import Path

import click

CONTEXT_TOKENS = 8_192


@click.command()
@click.argument("model", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--template", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--threads", default=1, show_default=True)
def main(model: Path, template: Path | None, threads: int) -> None:
    """Serve MODEL until killed."""
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = str(model)
    params.n_ctx, params.n_parallel, params.verbosity, params.use_jinja = CONTEXT_TOKENS, 1, 0, True
    params.cache_ram_mib = 0  # keep no old prompts: memory would grow with every call
    params.model_alias = {"local-model"}
    for group in (params.cpuparams, params.cpuparams_batch):
        group.n_threads = threads
    if template is not None:
        params.chat_template = template.read_text()
    server = xllamacpp.Server(params)
    click.echo(f"READY {server.listening_address}")
    signal.pause()


if __name__ == "__main__":
    main()
