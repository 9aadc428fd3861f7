import json, time, os, sys
from .panel import MAP, Probe, make_dataset, private_home, running_app
from .panel_rounds import add_rounds
n = int(sys.argv[1])
with private_home() as home:
    name = make_dataset(n, home)
    if len(sys.argv) > 2: add_rounds(name)
    with running_app(home) as (browser, url):
        probe = Probe(browser, url, name)
        page = probe.page
        page.wait_for_timeout(8000)
        t0 = time.perf_counter(); log = []
        def started(r):
            if r.method == "POST" and "/operators" in r.url:
                try: d = json.loads(r.post_data or "{}")
                except Exception: d = {}
                log.append(["start", round(time.perf_counter()-t0,2), d.get("operator_uri"), (d.get("params") or {}).get("__method__") or str(d.get("params"))[:60], id(r)])
        def ended(r):
            if r.method == "POST" and "/operators" in r.url:
                log.append(["end", round(time.perf_counter()-t0,2), id(r)])
        page.on("request", started); page.on("requestfinished", ended); page.on("requestfailed", ended)
        print("open", probe.open_panel(), flush=True)
        drawn = time.perf_counter()-t0
        if len(sys.argv) > 2:
            page.locator('[data-cy="coreset-turn-to-rounds"]').click()
        seen = []
        for _ in range(100):
            tab = page.locator('[data-cy="panel-tab-coreset"]')
            html = tab.first.inner_html() if tab.count() else "?"
            spin = ("CircularProgress" in html) or ("progressbar" in html)
            seen.append((round(time.perf_counter()-t0,1), spin))
            page.wait_for_timeout(250)
        print("drawn", round(drawn,2))
        print("spin", [a for a,b in seen if b][:1], [a for a,b in seen if b][-1:], len([1 for a,b in seen if b]))
        print(html[:600])
        for line in log: print(line)
        print(os.getloadavg())
