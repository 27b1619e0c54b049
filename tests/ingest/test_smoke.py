import time
async def test_a(gateway, subscriber):
    from tests.builders import issue
    t=time.perf_counter()
    s = await gateway.integrate()
    sub = await gateway.subscribe(subscriber)
    a = await gateway.send(s, issue())
    print(a)
    await subscriber.wait()
    print(await gateway.settled(a.json["events"][0]["id"], sub["id"]))
    print(time.perf_counter()-t)
async def test_b(gateway): pass
async def test_c(gateway): pass
