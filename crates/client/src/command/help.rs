//! What `/help` says.

/// Every command with an example.
pub const HELP: &str = "\
MSG:ana:hello              say hello to ana alone
MULTICAST:ana,bob:hello    to ana and bob
BROADCAST:ALL:hello        to everybody
BROADCAST:#lab:hello       to everybody in the room #lab
hello                      to everybody; `//hello` says `/hello`
/msg ana hello             as MSG:
/pub * hello               as BROADCAST:ALL:, and /pub #lab hello as BROADCAST:#lab:
/who                       who is connected
/nick zoe                  be called zoe from now on
/join #lab  /leave #lab    into a room (the first to come makes it), and out of it
/queue                     messages that have no place in the order yet
/queue cancel 3            do not send number 3 of these (`all` for all that have not gone out)
/queue send                send here what was kept for another order; `/queue forget` drops it
/history 20                what was said before; `/history 20 before 1234` for what was before that
/find pump off             messages that hold all these words
/trace 42                  who has message 42, and how that is known
/why 42 57                 why 42 stands before 57: cause, or only arrival
/link                      how the link is: a word, round trip, loss, repairs, window, rate
/rtt                       of these the word and the round trip
/conn                      the connection, the clock and the cursor
/reconnect                 a new connection now
/channel loss=20%          make the server's channel bad (`off` ends it), where it allows that
/log debug                 how much this program says of itself: off error warn info debug trace
/help                      this
/quit                      leave, once everything has its place";
