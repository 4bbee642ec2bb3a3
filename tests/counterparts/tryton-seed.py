#!/usr/bin/env python3
"""Gets a REST key from a fresh Tryton and makes what opportunities need: a currency, a company and an employee.

usage: tryton-seed.py BASE DATABASE PASSWORD        prints THROUGHLINE_TRYTON_URL, _KEY and _COMPANY
"""

import base64
import json
import sys
import urllib.request

base, database, password = sys.argv[1:]
no_proxy = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def send(method, path, body, authorization=None):
    headers = {"Content-Type": "application/json"}
    if authorization:
        headers["Authorization"] = authorization
    request = urllib.request.Request(
        f"{base}/{database}{path}", json.dumps(body).encode(), headers, method=method
    )
    with no_proxy.open(request, timeout=60) as answer:
        return json.load(answer)


# An application asks for a key; it works once the user has allowed it, which takes a session of the user.
key = send("POST", "/r/user/application/", {"user": "admin", "application": "rest"})
login = {"method": "common.db.login", "params": ["admin", {"password": password}, "en"], "id": 1}
user, session = send("POST", "/rpc/", login)["result"][:2]
allowed = "Session " + base64.b64encode(f"admin:{user}:{session}".encode()).decode()


def call(method, *params):
    answer = send("POST", "/rpc/", {"method": method, "params": [*params, {}], "id": 2}, allowed)
    if answer.get("error"):
        sys.exit(f"{method}: {answer['error']}")
    return answer["result"]


requested = call("model.res.user.application.search", [["state", "=", "requested"]], 0, None, None)
call("model.res.user.application.validate_", requested)


def make(model, **values):
    return send("POST", f"/rest/model/{model}", values, f"Bearer {key}")["id"]


currency = make("currency.currency", name="Euro", code="EUR", symbol="E")
owner, seller = make("party.party", name="Own Company"), make("party.party", name="Ida Rhodes")
company = make("company.company", party=owner, currency=currency, timezone="Europe/Berlin")
employee = make("company.employee", party=seller, company=company)
send(
    "PUT",
    f"/rest/model/res.user/{user}",
    {
        "companies": [["add", [company]]],
        "company": company,
        "employees": [["add", [employee]]],
        "employee": employee,
    },
    f"Bearer {key}",
)
print(f"THROUGHLINE_TRYTON_URL={base}")
print(f"THROUGHLINE_TRYTON_KEY={key}")
print(f"THROUGHLINE_TRYTON_COMPANY={company}")
