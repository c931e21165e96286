# The two commands of the README, and the ones behind them. Needs Python 3.11+ and make.
.PHONY: serve test test-cluster check docs install bundle-test schemathesis fuzz audit sbom crash soak overload crowds

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

fuzz: ## throw made-up bytes at all that reads bytes; RUNS=5000 for each target
	@scripts/fuzz $(or $(RUNS),5000)

audit: ## known vulnerabilities of the packages a server runs on; asks pypi.org
	@scripts/audit

sbom: ## the packages a server runs on as CycloneDX, in build/sbom.json
	@scripts/install dev
	@.venv/bin/python scripts/sbom

crash: ## kill the server 200 times under load, and look whether every promise was kept
	@scripts/bench crash

soak: ## half an hour at 80 % of what the server can do; MINUTES=30
	@scripts/bench soak --minutes $(or $(MINUTES),30)

overload: ## five times as many calls as the server can answer
	@scripts/bench overload

crowds: ## hundreds of connections that stall, and 200 pictures of 4 MiB at once
	@scripts/bench crowds --patience

install: ## the environment for working on tusou
	@scripts/install dev

schemathesis: ## minutes of requests that /openapi.json allows, and of others: none may be answered with 5xx
	@scripts/bench any_request
