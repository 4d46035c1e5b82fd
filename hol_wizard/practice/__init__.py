"""The practice cloud: a local program that answers the part of Azure that the lab uses.

It is a program of its own (`python -m hol_wizard.practice serve`). Nothing else imports it, except for
`process.launch` (standard library only), which starts it and finds it again.

The folders:

- `process`: the program: ports, log, start and stop; `control` has what Azure does not (faults, reset, leases);
- `kernel`: what all services run on: transactions (`store`), the parts that own its collections (`world`), the clock
  and long-running operations, requests, answers and routes (`service`), and how each request is handled (`web`);
- one package per service: `entra` (sign-in and tokens), `directory` (Microsoft Graph), `arm` (Azure Resource Manager),
  `key_vault`, `storage`, `databricks`, `devops`, `prices`;
- `seed`: who and what is there at the first start.

To add a service: write a package whose `service` module has a class derived from `kernel.service.Service`, and list it
in `process.server.SERVICES`. It then has a TLS port, its address in `endpoints.json`, faults and a log.
"""
