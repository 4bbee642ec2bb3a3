# Lists all contacts page by page, then creates one.   TL=… KEY=… CONN=… python3 client.py
import json, os, time, urllib.error, urllib.parse, urllib.request, uuid


def call(method, path, body=None):
    headers = {"Authorization": "Bearer " + os.environ["KEY"], "Throughline-Connection": os.environ["CONN"]}
    if body is not None:
        headers |= {"Content-Type": "application/json", "Idempotency-Key": str(uuid.uuid4())}
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(os.environ["TL"] + path, data, headers, method=method)
    for attempt in range(1, 6):
        try:
            with urllib.request.urlopen(request) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as refusal:
            problem = json.load(refusal)
        if not problem["retryable"] or attempt == 5:
            raise SystemExit(f"{problem['code']}: {problem['detail']} ({problem['request_id']})")
        time.sleep(problem.get("retry_after", 2**attempt))


query = "?limit=10&fields=last_name"
while query:
    page = call("GET", "/v1/crm/contacts" + query)
    for contact in page["data"]:
        print(contact["id"], contact["last_name"])
    query = page["next_cursor"] and "?" + urllib.parse.urlencode({"cursor": page["next_cursor"]})
made = call("POST", "/v1/crm/contacts", {"first_name": "Ada", "last_name": "Byron"})
print("created", made["id"])
