# The two commands of the README, and the ones behind them. Needs Python 3.11+ and make.
.PHONY: serve test test-cluster check docs install bundle-test

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

test-cluster: ## the tests of servers that share PostgreSQL, S3, Milvus and Redis, and of these engines
	@scripts/install cluster
	@scripts/test-cluster

install: ## the environment for working on tusou
	@scripts/install dev
