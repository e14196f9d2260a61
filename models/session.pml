// SPDX-License-Identifier: MIT
// Sessions, leases and late grants of the Redis engine (src/backends/redis), to be checked exhaustively by spin. docs/models.md says what
// follows.
//
// Clients, each a process with one session at a time and one request after the other, all for one exclusive lock; a server that runs scripts one
// by one; connections that are cut, deliver late, twice or not at all; messages that are lost; and time. One step of a client is one turn of its
// event loop, one step of the server is one script.
//
// Time is what is left: of a session at the server (`life`), of it by the client's own clock (`left`), and of what the next answer will give
// (`promise`, which runs from the moment of sending). A client that stands still is one whose steps are not taken while time passes.
//
// FREE: time and heartbeats never end, for the claims about every moment (exclusion). Otherwise faults and time end somewhere, and then
// FINAL times a heartbeat of everybody follows whenever nothing else is to be done: after that, everything must be settled.
//
// Sizes: CLIENTS 2 · SESSIONS, of each client · REQUESTS, of each client · EPOCHS, of each session · LEASE and MARGIN, in ticks · TICKS, BEATS of
// each client, CUTS, CRASHES, LOSSES (of messages), JUMPS (of the server's clock): how many · ABORTS 1 to have them · EVERYBODY, else only the first client
// is struck.
// BREAK_…: one guard is left out, which spin must notice.
#ifndef CLIENTS
#define CLIENTS 2
#endif
#ifndef SESSIONS
#define SESSIONS 2
#endif
#ifndef REQUESTS
#define REQUESTS 1
#endif
#ifndef EPOCHS
#define EPOCHS 2
#endif
#ifndef LEASE
#define LEASE 2
#endif
#ifndef MARGIN
#define MARGIN 0
#endif
#ifndef TICKS
#define TICKS 0
#endif
#ifndef BEATS
#define BEATS 0
#endif
#ifndef CUTS
#define CUTS 0
#endif
#ifndef CRASHES
#define CRASHES 0
#endif
#ifndef LOSSES
#define LOSSES 0
#endif
#ifndef JUMPS
#define JUMPS 0
#endif
#ifndef ABORTS
#define ABORTS 0
#endif
#define FINAL (LEASE + 2)
#define USABLE (LEASE - MARGIN)
// Commands, and answers, on one connection at a time.
#define ROOM 5

// What is sent, and answered. acquire.lua, release.lua, heartbeat.lua, open-session.lua, audit.lua, close-session.lua.
#define ACQUIRE 1
#define RELEASE 2
#define HEARTBEAT 3
#define OPEN_SESSION 4
#define AUDIT 5
#define CLOSE_SESSION 6
// Answers: of an audit, two bits for each request; of all others, one of these.
#define DONE 0
#define GRANTED 1
#define IN_LINE 2
#define UNKNOWN 3
#define REFUSED 16

// session.ts: the phases of a keeper. DEAD: the process was killed.
#define DOWN 0
#define SETTLING 1
#define OPEN 2
#define DEAD 3

// requests.ts: the states of a request; HELD: there is a lease; NEW: the next one has not begun.
#define NEW 0
#define UNSENT 1
#define ASKED 2
#define WAITING 3
#define HELD 4

// What an attempt at a session waits for.
#define NOTHING 0
#define OPENING 1
#define COMPARING 2

#define NO_SESSION SESSIONS
#define NO_REQUEST REQUESTS
#define ALL_SESSIONS (CLIENTS * SESSIONS)
#define ALL_REQUESTS (ALL_SESSIONS * REQUESTS)
#define bit(x) (1 << (x))
// Of a request within its client.
#define own(k, r) ((k) * REQUESTS + (r))

// The server. epoch_at 0: there is no such session. life 0: it has expired, and is refused everything until it is reaped.
byte life[ALL_SESSIONS], epoch_at[ALL_SESSIONS]
// 0, IN_LINE or GRANTED.
byte record[ALL_REQUESTS]
chan line = [ALL_REQUESTS] of { byte }
byte holder // and 1; 0 for nobody

// On their way: commands and answers in order, messages in none. Late: from connections that were cut. Commands: what, session, epoch, request.
chan up[CLIENTS] = [ROOM] of { byte, byte, byte, byte }
chan down[CLIENTS] = [ROOM] of { byte, byte, byte, byte, byte }
chan late[CLIENTS] = [2] of { byte, byte, byte, byte }
byte told[CLIENTS], expired[CLIENTS]
// The connection has taken the next command to the server and lost its answer: the client library sends it again.
bool twice[CLIENTS]

// The clients: session.ts.
byte phase[CLIENTS], current[CLIENTS] = NO_SESSION, epoch[CLIENTS], left[CLIENTS], promise[CLIENTS]
byte attempting[CLIENTS], begun[CLIENTS], former[CLIENTS]
bool has_next[CLIENTS], unanswered[CLIENTS]
// requests.ts, asking.ts: the present request, its state, the session in which it has its id; ids that were given up with an answer outstanding.
byte request[CLIENTS], state[CLIENTS], within[CLIENTS] = NO_SESSION, abandoned[CLIENTS]
bool impatient[CLIENTS]
// returns.ts.
byte under_way[CLIENTS], later[CLIENTS]
// audit.ts: what was held and what was presumed when it began.
byte held_then[CLIENTS] = NO_REQUEST, presumed_then[CLIENTS] = NO_REQUEST

bool due[CLIENTS]
byte beats[CLIENTS]
byte ready, ticks, cuts, crashes, losses, jumps

#define valid(c) (state[c] == HELD && left[c] > 0)

// Of one step only.
hidden byte i, j, g, id, answer
// What was received.
hidden byte what, k, e, r, a
// The client finds in this step that its session is over: it ends the step with losing it.
hidden byte losing

#ifdef FREE
#define may_beat(c) true
#define count_beat(c) skip
#else
#define may_beat(c) (due[c] || beats[c] < BEATS)
#define count_beat(c) if :: due[c] -> due[c] = false :: else -> beats[c]++ fi
#endif

// The scripts. A session of a client is one of all, and so is a request.

inline must_be_free() {
  for (i : 0 .. CLIENTS - 1) { assert(!valid(i)) }
  i = 0
}

// space.lua: grant. Nobody may count on the lock any more.
inline give(x) {
  holder = x + 1
  record[x] = GRANTED
  must_be_free()
}

// space.lua: advance, open.
inline advance() {
  if
  :: holder == 0 && len(line) > 0 ->
    line?id
    give(id)
    told[id / (SESSIONS * REQUESTS)] = told[id / (SESSIONS * REQUESTS)] | bit(id % (SESSIONS * REQUESTS))
  :: else
  fi
}

// space.lua: leave.
inline leave(x) {
  if
  :: record[x] == GRANTED -> holder = 0
  :: record[x] == IN_LINE -> line??eval(x)
  :: else
  fi
  record[x] = 0
  advance()
}

// space.lua: reap.
inline reap() {
  j = 0
  do
  :: j < ALL_SESSIONS ->
    if
    :: epoch_at[j] != 0 && life[j] == 0 ->
      g = j * REQUESTS
      do
      :: g < (j + 1) * REQUESTS -> leave(g); g++
      :: else -> break
      od
      epoch_at[j] = 0
      expired[j / SESSIONS] = expired[j / SESSIONS] | bit(j % SESSIONS)
    :: else
    fi
    j++
  :: else -> break
  od
  j = 0; g = 0; id = 0
}

// acquire.lua. `s` and `x`: the session and the request among all.
inline acquire(s, e, x) {
  if
#ifdef BREAK_EPOCH
  :: epoch_at[s] == 0 || life[s] == 0 -> answer = REFUSED
#else
  :: epoch_at[s] != e || life[s] == 0 -> answer = REFUSED
#endif
#ifdef BREAK_IDEMPOTENCE
  :: else ->
    line!x; record[x] = IN_LINE; answer = IN_LINE; advance()
#else
  :: else ->
    if
    :: record[x] != 0 -> answer = record[x]
    :: else ->
      if :: holder != 0 || len(line) > 0 -> reap() :: else fi
      if
      :: holder == 0 && len(line) == 0 -> give(x); answer = GRANTED
      :: else -> line!x; record[x] = IN_LINE; answer = IN_LINE
      fi
    fi
#endif
  fi
}

// open-session.lua. `r` 1: the session must be there.
inline open_session(s, e, must) {
  if
  :: epoch_at[s] != 0 && life[s] == 0 -> answer = REFUSED
  :: epoch_at[s] != 0 && life[s] != 0 && epoch_at[s] > e -> answer = REFUSED
#ifndef BREAK_MUST_EXIST
  :: epoch_at[s] == 0 && must == 1 -> answer = REFUSED
  :: epoch_at[s] == 0 && must != 1 -> epoch_at[s] = e; life[s] = LEASE; answer = DONE
#else
  :: epoch_at[s] == 0 -> epoch_at[s] = e; life[s] = LEASE; answer = DONE
#endif
  :: epoch_at[s] != 0 && life[s] != 0 && epoch_at[s] <= e -> epoch_at[s] = e; life[s] = LEASE; answer = DONE
  fi
}

// heartbeat.lua. Names at most one request that waits.
inline heartbeat(s, e, c, k, r) {
  if
  :: epoch_at[s] != e || life[s] == 0 -> answer = REFUSED
  :: else ->
    life[s] = LEASE
#ifndef BREAK_REAP
    reap()
#endif
    answer = DONE
#ifndef BREAK_LIST
    if
    :: r != NO_REQUEST -> id = s * REQUESTS + r; answer = (record[id] == GRANTED -> GRANTED : (record[id] == 0 -> UNKNOWN : DONE)); id = 0
    :: else
    fi
#endif
  fi
}

// audit.lua.
inline audit(s, e) {
  if
  :: epoch_at[s] != e || life[s] == 0 -> answer = REFUSED
  :: else ->
    answer = record[s * REQUESTS]
#if REQUESTS > 1
    answer = answer + 4 * record[s * REQUESTS + 1]
#endif
  fi
}

inline perform(c, what, k, e, r) {
  answer = DONE
  if
  :: what == ACQUIRE -> acquire(c * SESSIONS + k, e, (c * SESSIONS + k) * REQUESTS + r)
  :: what == RELEASE -> leave((c * SESSIONS + k) * REQUESTS + r); id = 0
  :: what == HEARTBEAT -> heartbeat(c * SESSIONS + k, e, c, k, r)
  :: what == OPEN_SESSION -> open_session(c * SESSIONS + k, e, r)
  :: what == AUDIT -> audit(c * SESSIONS + k, e)
  :: what == CLOSE_SESSION ->
    if
    :: epoch_at[c * SESSIONS + k] != 0 -> life[c * SESSIONS + k] = 0; reap()
    :: else
    fi
  fi
}

// The clients.

inline over(c) {
  state[c] = NEW
  request[c]++
  within[c] = NO_SESSION
  impatient[c] = false
}

// asking.ts: send.
inline send(c) {
  if
  :: within[c] == NO_SESSION -> within[c] = current[c]
  :: else
  fi
  up[c]!ACQUIRE, current[c], epoch[c], request[c]
  state[c] = ASKED
}

// returns.ts: give.
inline give_back(c, k, r) {
  if
  :: k != current[c]
  :: k == current[c] && phase[c] == OPEN -> up[c]!RELEASE, k, 0, r; under_way[c] = under_way[c] | bit(own(k, r))
  :: k == current[c] && phase[c] != OPEN ->
#ifdef BREAK_LATER
    skip
#else
    later[c] = later[c] | bit(own(k, r))
#endif
  fi
}

// returns.ts: retry.
inline retry(c) {
  j = 0
  do
  :: j < REQUESTS ->
    if
    :: later[c] & bit(own(current[c], j)) -> up[c]!RELEASE, current[c], 0, j; under_way[c] = under_way[c] | bit(own(current[c], j))
    :: else
    fi
    j++
  :: else -> break
  od
  j = 0; later[c] = 0
}

// session.ts: lose, and what backend.ts does about it.
inline lose(c) {
  former[c] = former[c] | bit(current[c])
  current[c] = NO_SESSION
  phase[c] = DOWN
  epoch[c] = 0; left[c] = 0; promise[c] = 0; unanswered[c] = false; attempting[c] = NOTHING
  under_way[c] = 0; later[c] = 0; abandoned[c] = 0; held_then[c] = NO_REQUEST; presumed_then[c] = NO_REQUEST
  if
  :: state[c] == HELD -> over(c)
  :: state[c] == ASKED || state[c] == WAITING -> state[c] = UNSENT; within[c] = NO_SESSION
  :: state[c] == UNSENT -> within[c] = NO_SESSION
  :: else
  fi
}

// session.ts: cut. returns.ts: suspended.
inline cut(c) {
  phase[c] = DOWN
  unanswered[c] = false
  later[c] = later[c] | under_way[c]
  under_way[c] = 0
}

inline must_be_alone(c) {
  for (i : 0 .. CLIENTS - 1) { assert(i == c || !(valid(i) && valid(c))) }
  i = 0
  assert(!valid(c) || record[(c * SESSIONS + within[c]) * REQUESTS + request[c]] == GRANTED)
}

// asking.ts: granted.
inline granted(c) {
  if
  :: current[c] == NO_SESSION
  :: current[c] != NO_SESSION && left[c] == 0 -> losing = 1
  :: current[c] != NO_SESSION && left[c] != 0 -> state[c] = HELD; must_be_alone(c)
  fi
}

// session.ts: the end of attempt. backend.ts: resumed.
inline resumed(c) {
  phase[c] = OPEN
  retry(c)
  if
  :: state[c] == UNSENT -> send(c)
  :: else
  fi
}

// asking.ts: answered.
inline acquire_answered(c, k, e, r, a) {
  if
  :: r == request[c] && state[c] != NEW ->
    if
    :: state[c] == HELD || within[c] != k
    :: state[c] != HELD && within[c] == k && a == GRANTED -> granted(c)
    :: state[c] != HELD && within[c] == k && a == IN_LINE -> if :: state[c] == ASKED -> state[c] = WAITING :: else fi
    :: state[c] != HELD && within[c] == k && a == REFUSED -> gone(c, k, e)
    fi
  :: else ->
#ifndef BREAK_DISCARD
    if
    :: (abandoned[c] & bit(own(k, r))) && a != REFUSED -> give_back(c, k, r)
    :: else
    fi
#endif
    skip
  fi
}

// session.ts: gone.
inline gone(c, k, e) {
  if
  :: current[c] == k && epoch[c] == e -> losing = 1
  :: else
  fi
}

// session.ts: beatWith. asking.ts: news.
inline heartbeat_answered(c, k, e, r, a) {
  if
  :: current[c] != k || epoch[c] != e
  :: current[c] == k && epoch[c] == e && a == REFUSED -> losing = 1
  :: current[c] == k && epoch[c] == e && a != REFUSED ->
    unanswered[c] = false
#ifdef BREAK_DEADLINE
    left[c] = USABLE
#else
    left[c] = (promise[c] > left[c] -> promise[c] : left[c])
#endif
    promise[c] = 0
    must_be_alone(c)
    if
    :: r == request[c] && state[c] == WAITING && a == GRANTED -> granted(c)
    :: r == request[c] && state[c] == WAITING && a == UNKNOWN ->
      state[c] = UNSENT
      if :: phase[c] == OPEN -> send(c) :: else fi
    :: else
    fi
    if
    :: phase[c] == OPEN && !losing -> retry(c)
    :: else
    fi
  fi
}

// session.ts: attempt, after the answer.
inline open_answered(c, k, e, known, a) {
  if
  :: attempting[c] == OPENING && phase[c] == DOWN && epoch[c] == e && (known == 1 -> current[c] == k : current[c] == NO_SESSION && begun[c] == k + 1) ->
    attempting[c] = NOTHING
    has_next[c] = false
    if
    :: a == REFUSED && known == 1 -> losing = 1
    :: a == REFUSED && known == 0 -> epoch[c] = 0; promise[c] = 0
    :: a != REFUSED ->
#ifdef BREAK_DEADLINE
      left[c] = USABLE
#else
      left[c] = promise[c]
#endif
      promise[c] = 0
      current[c] = k
      phase[c] = SETTLING
      must_be_alone(c)
      j = 0
      do
      :: j < SESSIONS -> if :: former[c] & bit(j) -> up[c]!CLOSE_SESSION, j, 0, 0 :: else fi; j++
      :: else -> break
      od
      j = 0; former[c] = 0
      if
      :: known == 0 -> resumed(c)
      :: known == 1 ->
        up[c]!AUDIT, k, e, 0
        attempting[c] = COMPARING
        held_then[c] = (state[c] == HELD -> request[c] : NO_REQUEST)
        presumed_then[c] = (state[c] == ASKED || state[c] == WAITING -> request[c] : NO_REQUEST)
      fi
    fi
  :: else
  fi
}

// audit.ts, and backend.ts: settle.
inline audit_answered(c, k, e, a) {
  if
  :: attempting[c] != COMPARING || current[c] != k || epoch[c] != e
  :: attempting[c] == COMPARING && current[c] == k && epoch[c] == e && a == REFUSED -> losing = 1
  :: attempting[c] == COMPARING && current[c] == k && epoch[c] == e && a != REFUSED ->
    attempting[c] = NOTHING
    g = 0
    do
    :: g < REQUESTS ->
      if
      :: ((a >> (2 * g)) & 3) == 0
      :: ((a >> (2 * g)) & 3) != 0 && g == request[c] && within[c] == k && (state[c] == ASKED || state[c] == WAITING) ->
        presumed_then[c] = NO_REQUEST
        if
        :: ((a >> (2 * g)) & 3) == GRANTED -> granted(c)
        :: else -> state[c] = WAITING
        fi
      :: else ->
        if
        :: held_then[c] == g -> held_then[c] = NO_REQUEST
        :: else ->
#ifndef BREAK_AUDIT
          if
          :: state[c] == HELD && request[c] == g
          :: else -> give_back(c, k, g)
          fi
#endif
          skip
        fi
      fi
      g++
    :: else -> break
    od
    g = 0
    if
    :: presumed_then[c] == request[c] && (state[c] == ASKED || state[c] == WAITING) -> state[c] = UNSENT
    :: else
    fi
    // A server that forgets nothing never denies a lease.
    assert(held_then[c] == NO_REQUEST || state[c] != HELD || held_then[c] != request[c])
    held_then[c] = NO_REQUEST; presumed_then[c] = NO_REQUEST
    if
    :: phase[c] == SETTLING && !losing -> resumed(c)
    :: else
    fi
  fi
}

inline ask(c) {
  if
  :: phase[c] == OPEN -> send(c)
  :: else -> state[c] = UNSENT
  fi
}

inline end_of_session(c) {
  if
  :: losing -> losing = 0; lose(c)
  :: else
  fi
  i = 0
}

#define me _pid
#define room(n) (len(up[me]) + n <= ROOM)
#define asks (state[me] == UNSENT || state[me] == ASKED || state[me] == WAITING)

active [CLIENTS] proctype Client() {
  // It begins with a session.
  atomic {
    phase[me] = OPEN; current[me] = 0; begun[me] = 1; epoch[me] = 1; left[me] = USABLE
    epoch_at[me * SESSIONS] = 1; life[me * SESSIONS] = LEASE
    ready++
  }
end:
  do
  :: phase[me] == DEAD -> break

  // asking.ts: ask.
  :: d_step { phase[me] != DEAD && request[me] < REQUESTS && state[me] == NEW && room(1) -> ask(me) }
#if ABORTS
  :: d_step { phase[me] != DEAD && request[me] < REQUESTS && state[me] == NEW && room(1) -> ask(me); impatient[me] = true }
#endif

  // asking.ts: giveUp.
  :: d_step {
      impatient[me] && asks && room(1) ->
      if
      :: state[me] == WAITING && phase[me] == OPEN -> give_back(me, within[me], request[me])
      :: else
      fi
      // An answer that is still to come.
      if
      :: within[me] != NO_SESSION -> abandoned[me] = abandoned[me] | bit(own(within[me], request[me]))
      :: else
      fi
      over(me)
    }

  // backend.ts: left.
  :: d_step { state[me] == HELD && room(1) -> k = within[me]; r = request[me]; over(me); give_back(me, k, r) }

  // session.ts: attempt, up to the question.
  :: d_step {
      phase[me] == DOWN && attempting[me] == NOTHING && (current[me] != NO_SESSION || asks) && room(1) && (current[me] == NO_SESSION || left[me] == 0 || epoch[me] < EPOCHS) ->
      if
      :: current[me] != NO_SESSION && left[me] == 0 -> losing = 1
      :: current[me] != NO_SESSION && left[me] != 0 && epoch[me] < EPOCHS ->
        epoch[me]++
        promise[me] = USABLE
        up[me]!OPEN_SESSION, current[me], epoch[me], 1
        attempting[me] = OPENING
      :: current[me] == NO_SESSION && (has_next[me] || begun[me] < SESSIONS) && epoch[me] < EPOCHS ->
        if :: has_next[me] :: else -> has_next[me] = true; begun[me]++ fi
        epoch[me]++
        promise[me] = USABLE
        up[me]!OPEN_SESSION, begun[me] - 1, epoch[me], 0
        attempting[me] = OPENING
      // As far as this model goes.
      :: current[me] == NO_SESSION && ((!has_next[me] && begun[me] == SESSIONS) || epoch[me] == EPOCHS) -> over(me); request[me] = REQUESTS
      fi
      end_of_session(me)
    }

  // Answers.
  :: d_step {
      len(down[me]) > 0 && room(4) && phase[me] != DEAD ->
      down[me]?what, k, e, r, a
      if
      :: what == ACQUIRE -> acquire_answered(me, k, e, r, a)
      :: what == RELEASE -> under_way[me] = under_way[me] & ~bit(own(k, r))
      :: what == HEARTBEAT -> heartbeat_answered(me, k, e, r, a)
      :: what == OPEN_SESSION -> open_answered(me, k, e, r, a)
      :: what == AUDIT -> audit_answered(me, k, e, a)
      :: what == CLOSE_SESSION
      fi
      end_of_session(me)
    }

  // asking.ts: message. One that nobody wants is dropped.
  :: d_step {
      told[me] != 0 && phase[me] != DEAD ->
      if
      :: (state[me] == ASKED || state[me] == WAITING) && within[me] != NO_SESSION && (told[me] & bit(own(within[me], request[me]))) -> told[me] = 0; granted(me)
      :: else -> told[me] = 0
      fi
      end_of_session(me)
    }

  // session.ts: heard.
  :: d_step {
      expired[me] != 0 && phase[me] != DEAD ->
      if
      :: current[me] != NO_SESSION && (expired[me] & bit(current[me])) -> losing = 1
      :: else
      fi
      expired[me] = 0
      end_of_session(me)
    }

  // session.ts: beat, beatWith.
  :: d_step {
      current[me] != NO_SESSION && phase[me] != DEAD && !unanswered[me] && room(1) && (phase[me] != DOWN || left[me] == 0 || due[me]) && may_beat(me) ->
      count_beat(me)
      if
      :: left[me] == 0 -> losing = 1
      :: left[me] != 0 && phase[me] != DOWN ->
        unanswered[me] = true
        promise[me] = USABLE
        up[me]!HEARTBEAT, current[me], epoch[me], (state[me] == WAITING -> request[me] : NO_REQUEST)
      :: else
      fi
      end_of_session(me)
    }

  // session.ts: watchDeadline, check, runOut.
  :: d_step { current[me] != NO_SESSION && phase[me] != DEAD && left[me] == 0 -> losing = 1; end_of_session(me) }
  od
}

inline serve(c) {
  if
  :: twice[c] -> up[c]?<what, k, e, r>; twice[c] = false; perform(c, what, k, e, r)
  :: else ->
    up[c]?what, k, e, r
    perform(c, what, k, e, r)
    if
    :: phase[c] != DEAD -> down[c]!what, k, e, r, answer
    :: else
    fi
  fi
  i = 0
}

active proctype Server() {
end:
  do
  :: d_step { len(up[0]) > 0 && len(down[0]) < ROOM -> serve(0) }
  :: d_step { len(up[1]) > 0 && len(down[1]) < ROOM -> serve(1) }
#if CUTS > 0
  // What was still in an old connection: run, run and sent once more, or gone.
  :: d_step { late[0]?what, k, e, r -> perform(0, what, k, e, r); i = 0 }
  :: d_step { late[1]?what, k, e, r -> perform(1, what, k, e, r); i = 0 }
  :: d_step { late[0]?<what, k, e, r> -> perform(0, what, k, e, r); i = 0 }
  :: d_step { late[1]?<what, k, e, r> -> perform(1, what, k, e, r); i = 0 }
  :: d_step { late[0]?what, k, e, r -> skip }
  :: d_step { late[1]?what, k, e, r -> skip }
#endif
  od
}

// What may go wrong, and time.

inline server_ticks() {
  for (i : 0 .. ALL_SESSIONS - 1) { life[i] = (life[i] > 0 -> life[i] - 1 : 0) }
  i = 0
}

inline tick() {
  server_ticks()
  for (i : 0 .. CLIENTS - 1) {
    left[i] = (left[i] > 0 -> left[i] - 1 : 0)
    promise[i] = (promise[i] > 0 -> promise[i] - 1 : 0)
  }
  i = 0
}

inline clear(c) {
  do
  :: len(down[c]) > 0 -> down[c]?_, _, _, _, _
  :: len(down[c]) == 0 -> break
  od
  told[c] = 0; expired[c] = 0
}

// The connection is cut. What was on its way to the server may yet come there.
inline break_off(c) {
  do
  :: len(up[c]) > 0 -> up[c]?what, k, e, r; if :: len(late[c]) < 2 -> late[c]!what, k, e, r :: len(late[c]) == 2 fi
  :: len(up[c]) == 0 -> break
  od
  clear(c)
  twice[c] = false
  attempting[c] = NOTHING
  cut(c)
}

// The same, with a client library that sends again what has no answer: the first of it reaches the server twice.
inline break_off_and_resend(c) {
  clear(c)
  twice[c] = len(up[c]) > 0
  attempting[c] = NOTHING
  cut(c)
}

// link.ts: ask takes too long. session.ts: recover.
inline give_up_attempt(c) {
  attempting[c] = NOTHING
  if
  :: phase[c] == SETTLING -> cut(c)
  :: else
  fi
  i = 0
}

inline crash(c) {
  phase[c] = DEAD
  clear(c)
  current[c] = NO_SESSION; epoch[c] = 0; left[c] = 0; promise[c] = 0; attempting[c] = NOTHING; former[c] = 0; has_next[c] = false
  unanswered[c] = false; state[c] = NEW; within[c] = NO_SESSION; abandoned[c] = 0; impatient[c] = false; under_way[c] = 0; later[c] = 0
  held_then[c] = NO_REQUEST; presumed_then[c] = NO_REQUEST
}

#ifdef FREE
#define count(of) skip
#else
#define count(of) of++
#endif
#define can_cut(c) cuts < CUTS && phase[c] != DEAD && epoch[c] > 0 && epoch[c] < EPOCHS

// Clients are alike: the first is the one who is struck, unless EVERYBODY may be. A heartbeat that is overdue when the next one is to be sent
// counts as a cut (session.ts: beat).
active proctype Fate() {
  ready == CLIENTS
end:
  do
  :: d_step { can_cut(0) -> break_off(0); count(cuts) }
  :: d_step { can_cut(0) && len(up[0]) > 0 -> break_off_and_resend(0); count(cuts) }
  :: d_step { can_cut(0) && unanswered[0] -> cut(0); count(cuts) }
  :: d_step { can_cut(0) && attempting[0] != NOTHING -> give_up_attempt(0); count(cuts) }
  :: d_step { crashes < CRASHES && phase[0] != DEAD -> crash(0); crashes++ }
  :: d_step { losses < LOSSES && told[0] + expired[0] > 0 -> told[0] = 0; expired[0] = 0; count(losses) }
#ifdef EVERYBODY
  :: d_step { can_cut(1) -> break_off(1); count(cuts) }
  :: d_step { can_cut(1) && len(up[1]) > 0 -> break_off_and_resend(1); count(cuts) }
  :: d_step { can_cut(1) && unanswered[1] -> cut(1); count(cuts) }
  :: d_step { can_cut(1) && attempting[1] != NOTHING -> give_up_attempt(1); count(cuts) }
  :: d_step { crashes < CRASHES && phase[1] != DEAD -> crash(1); crashes++ }
  :: d_step { losses < LOSSES && told[1] + expired[1] > 0 -> told[1] = 0; expired[1] = 0; count(losses) }
#endif
  :: d_step { jumps < JUMPS -> server_ticks(); jumps++ }
#ifdef FREE
  :: d_step { tick() }
#else
  :: d_step { ticks < TICKS -> tick(); ticks++ }
  :: break
#endif
  od
#ifndef FREE
  // Nothing goes wrong any more. Whenever nothing else is to be done, time passes and everybody is heard of.
  ticks = 0
  do
  :: atomic { timeout && ticks < FINAL -> d_step { tick(); ticks++; for (i : 0 .. CLIENTS - 1) { due[i] = (phase[i] != DEAD && current[i] != NO_SESSION) }; i = 0 } }
  :: atomic { timeout && ticks == FINAL -> break }
  od
  atomic {
    // Whoever asked has been answered; and after whoever comes next, nothing is left.
    for (i : 0 .. CLIENTS - 1) { assert(phase[i] == DEAD || request[i] == REQUESTS) }
    reap()
    assert(holder == 0 && len(line) == 0)
    for (i : 0 .. ALL_REQUESTS - 1) { assert(record[i] == 0) }
    i = 0
  }
#endif
}
