"""The practice cloud: a local program that answers the part of Azure that the lab uses.

It is a program of its own (`python -m hol_wizard.practice serve`). Nothing else imports it, but for
`launch` (standard library only), which starts it and finds it again.

What answers what:

- `entra`: sign-in and tokens; `graph`: Microsoft Graph; `arm`: Azure Resource Manager;
- `control`: what Azure does not have: faults, reset, leases, stopping;
- `web`: the one way in for every service (latency, faults, log); `service`: requests, answers, routes;
- `world`: the state that all services share, over `store` (SQLite), `clock` and `seed`.

To add a service: write its module with a class derived from `service.Service`, and list it in
`server.SERVICES`. It then has a TLS port of its own, its address in `endpoints.json`, faults and a log.
"""
