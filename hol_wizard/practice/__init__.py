"""The practice cloud: a local program that implements the part of Azure that the lab uses.

It is a separate program (`python -m hol_wizard.practice serve`). Nothing else imports it, except for `process.launch`
(standard library only), which starts and finds it.

The folders:

- `process`: the program: ports, log, start and stop; `control` has what Azure does not (faults, reset, leases);
- `kernel`: the basis of all services: transactions (`store`), the parts that own its collections (`world`), the clock
  and long-running operations, requests, responses and routes (`service`), and request handling (`web`);
- one package per service: `entra` (sign-in and tokens), `directory` (Microsoft Graph), `arm` (Azure Resource Manager),
  `key_vault`, `storage`, `databricks`, `devops`, `prices`;
- `seed`: the people and resources of the first start.

To add a service: write a package whose `service` module has a class derived from `kernel.service.Service`, and list it
in `process.server.SERVICES`. It then has a TLS port, its address in `endpoints.json`, faults and a log.
"""
