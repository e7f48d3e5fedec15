"""Histories of session checks and revocations, recorded on real processes, and the checker that judges them.

A run (`runs.py`) has 200 clients check sessions at two gateways (`recorder.py`) while sessions are opened and ended
at random and something is broken. Whatever a client asks becomes an `Operation`: who asked, what, of which session,
when it was invoked and when it returned, and the outcome. Afterwards `checker.py` says what in the history cannot be.

How to read a violation. It names the promise that was broken and shows the operations of that session around it:

    a session was accepted after its revocation was confirmed
         invoked    returned  client      operation  outcome
         311.2 ms   318.9 ms  check-17    check      accepted
         330.4 ms   338.0 ms  revoke-1    revoke     confirmed        because of this
    >    341.7 ms   344.1 ms  check-52    check      accepted         must not be
         352.0 ms   360.6 ms  check-3     check      refused

Times are those of the one clock of the test's process, since the session was first heard of. Begin at the `>`: what it
must not be follows from the line marked `because of this`. `check-52` asked at the gateway of even numbers, `check-17`
at the other. A check may be answered either way as long as a revocation is under way when it is invoked, so what counts
is when the check was invoked (after the revocation returned), not when it returned. The run's seed is printed: the
same seed gives the same choices (TRIVET_TEST_SEED), though not the same timing.
"""
