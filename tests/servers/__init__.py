"""The real servers that tests talk to, a module each: on loopback, on free ports, none of them outlives the tests.

`kafka.running()` is a server of a test's own within a `with`. `kafka.shared()` is that of all tests of a run, started
when it is first asked for; a test that ends it starts it again. `process.py` starts and ends servers, `java.py` brings
the jars of those that are Java libraries.
"""
