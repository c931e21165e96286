# The two commands of the README, and the ones behind them. Needs Python 3.11+ and make.
.PHONY: serve test check docs install bundle-test crash

serve: ## run the server with a first application and example pictures
	@scripts/install run
	@.venv/bin/tusou serve --demo examples

test: ## style, types and all tests
	@scripts/install dev
	@scripts/check
	@scripts/test

check: ## style and types
	@scripts/install dev
	@scripts/check

docs: ## the pages of docs/ as a site in build/docs, English and Chinese
	@scripts/install dev
	@scripts/docs

bundle-test: ## make the offline package, and install and try it without a network
	@scripts/install dev
	@scripts/test -m bundle tests/test_bundle.py

crash: ## kill the server 200 times under load, and look whether every promise was kept
	@scripts/bench crash

install: ## the environment for working on tusou
	@scripts/install dev
