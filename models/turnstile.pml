// SPDX-License-Identifier: MIT
// The turnstile of the kernel-file engine (src/backends/file), to be checked exhaustively by spin. docs/models.md says what follows.
//
// Every User stands for one process of a machine, with one request at a time, on its way through one or two nodes. One step is one system
// call, or one turn of the event loop, and is named after the function that makes it. The lock file is modelled byte by byte, with SLOTS
// slots in place of 65,534. Slots are alike, so the lowest that is free stands for any; and a draw that meets a single other writer has no
// effect but to be repeated, so a draw is one step.
//
// There is no clock: everything lasts as long as it likes. Requests end in every execution, so a wake-up that was lost shows as an end in
// which somebody still waits: spin's invalid end state. The look "after a while" would hide that, and is made only where the code has nothing
// else to count on: see `deaf` and STOPS.
//
// Sizes: PROCESSES 2-4 · NODES 1 or 2 · ROUNDS, requests of each process · KILLS and STOPS, how many · ABORTS, DOWNGRADES, POLITE 1 to have
// them · MODE, MODE0, MODE1 … fixes what all, or one process, ask for at a single node.
// ENDLESS: requests without end, for the formulas `queued_enters` and `waits_enters`.
// BREAK_…: one guard is left out, which spin must notice.
#ifndef PROCESSES
#define PROCESSES 2
#endif
#ifndef NODES
#define NODES 1
#endif
#ifndef ROUNDS
#define ROUNDS 1
#endif
#ifndef KILLS
#define KILLS 0
#endif
#ifndef STOPS
#define STOPS 0
#endif
#ifndef ABORTS
#define ABORTS 0
#endif
#ifndef DOWNGRADES
#define DOWNGRADES 0
#endif
#ifndef POLITE
#define POLITE 0
#endif
#ifdef MODE
#ifndef MODE0
#define MODE0 MODE
#endif
#ifndef MODE1
#define MODE1 MODE
#endif
#ifndef MODE2
#define MODE2 MODE
#endif
#endif

#define NONE 0
#define IS 1
#define IX 2
#define S 3
#define SIX 4
#define X 5

// core/mode.ts: compatible
#define excludes(a, b) (a == X || b == X || (a == SIX && b != IS) || (b == SIX && a != IS) || (a == S && b == IX) || (a == IX && b == S))

// layout.ts: V, Q, and two rows of G and L for each node. The byte "somebody waits" of space.lock comes last.
#define SLOTS PROCESSES
#define ROW (1 + SLOTS)
#define V(n) ((n) * (2 + 2 * ROW))
#define Q(n) (V(n) + 1)
#define TURNSTILE(n) (V(n) + 2)
#define GATE(n) (V(n) + 2 + ROW)
#define WAITING V(NODES)
#define BYTES (WAITING + 1)

#define OUTSIDE 0
#define IN_QUEUE 1
#define AT_TURNSTILE 2

#define ALIVE 0
#define KILLED 1
#define STOPPED 2
#define DONE 3

#define bit(p) (1 << (p))
#define shared_by(b) (file[b] & 15)
#define kept_by(b) (file[b] >> 4)
#define OTHERS (15 & ~bit(_pid))

// The kernel's locks: for each byte, who shares it (low half) and who has it alone (high half).
byte file[BYTES]
// inotify: who watches the lock file, who has an event to read, who has timers running since a death (wakeups.ts: AFTER_DEATH_MS).
byte watching, heard, timers
// Processes of whose end the kernel has told, and whose locks it has not freed yet.
byte dying
// What each process holds by its own account, to be compared. NONE: no lease.
byte holds[PROCESSES * NODES]
byte fate[PROCESSES]
byte finished
byte killed, stopped
// Of the first requests: how many are chosen, and the last of them.
byte chosen, least
#ifdef ENDLESS
// For its properties: who has the queue byte or the turnstile, and who waits.
bool queued[PROCESSES], waits[PROCESSES]
#define note(what, is) what[_pid] = is
#else
#define note(what, is) skip
#endif

// Of one step only.
hidden byte i, n
hidden byte ok

// ofd-locks.ts: lockRange, blockerOf, unlockRange.

inline may_lock(from, length, alone) {
  ok = true
  for (i : from .. from + (length) - 1) {
    ok = ok && (kept_by(i) & OTHERS) == 0 && (!alone || (shared_by(i) & OTHERS) == 0)
  }
  i = 0
}

inline unlock(from, length) {
  for (i : from .. from + (length) - 1) { file[i] = file[i] & ~(17 << _pid) }
  i = 0
}

inline lock(from, length, alone) {
  for (i : from .. from + (length) - 1) { file[i] = (file[i] & ~(17 << _pid)) | (alone -> 16 << _pid : bit(_pid)) }
  i = 0
}

// mode-lock.ts: take (`really`) and clearFor. What layout.ts says of ranges.
inline row(at, mode, really) {
  if
  :: mode == IS -> may_lock(at, 1, false); if :: ok && really -> lock(at, 1, false) :: else fi
#ifdef BREAK_RANGES
  :: mode == S -> may_lock(at + 1, 1, false); if :: ok && really -> lock(at + 1, 1, false) :: else fi
#else
  :: mode == S -> may_lock(at + 1, SLOTS, false); if :: ok && really -> lock(at + 1, SLOTS, false) :: else fi
#endif
  :: mode == SIX -> may_lock(at + 1, SLOTS, true); if :: ok && really -> lock(at + 1, SLOTS, true) :: else fi
  :: mode == X -> may_lock(at, ROW, true); if :: ok && really -> lock(at, ROW, true) :: else fi
  :: mode == IX ->
    n = 1
    do
    :: n <= SLOTS -> may_lock(at + n, 1, true); if :: ok -> break :: else -> n++ fi
    :: else -> break
    od
    if :: ok && really -> lock(at + n, 1, true) :: else fi
  fi
  n = 0
}

// A process holds one mode of a row: everything of its own there is what it gives back.
inline give(at) { unlock(at, ROW) }

// shard.ts: ring. Whoever watches hears it, the ringer included.
inline ring() { heard = heard | watching }

// region.ts: ringOthers, and the second half of backend.ts: tell. Two calls: GETLK, utimensat.
inline ring_others(node) {
  if
  :: (shared_by(V(node)) & OTHERS) != 0 -> d_step { ring() }
  :: else
  fi
}

// What a lease is worth: nobody else has one that excludes it.
inline must_be_alone() {
  for (i : 0 .. PROCESSES * NODES - 1) {
    assert(i / NODES == _pid || holds[i] == NONE || want[i % NODES] == NONE || !(excludes(holds[i], want[i % NODES])))
  }
}

// Processes are alike: it is enough to look at those choices in which the first request of each is no less than the one's before. What a request
// is: m0 at the first node, m1 at the second.
#define chance(m0, m1) atomic { chosen == PROCESSES || m0 * 6 + m1 >= least -> want[0] = m0; want[NODES - 1] = (NODES == 2 -> m1 : m0) }
inline choose() {
  if
#ifdef MODE
  :: want[0] = (_pid == 0 -> MODE0 : (_pid == 1 -> MODE1 : (_pid == 2 -> MODE2 : MODE)))
#elif NODES == 1
  :: chance(IS, 0)
  :: chance(IX, 0)
  :: chance(S, 0)
  :: chance(SIX, 0)
  :: chance(X, 0)
#else
  // Claims at a folder and at something in it.
  :: chance(IS, S)
  :: chance(IX, X)
  :: chance(S, NONE)
  :: chance(X, NONE)
  :: chance(SIX, X)
  :: chance(NONE, X)
#endif
  fi
  if
  :: chosen < PROCESSES -> chosen++; least = (chosen == PROCESSES -> 0 : want[0] * 6 + (NODES == 2 -> want[NODES - 1] : 0))
  :: else
  fi
}

#ifdef BREAK_NODE_ORDER
#define AT (_pid % 2 -> NODES - 1 - at : at)
#define AT_OF(k) (_pid % 2 -> NODES - 1 - (k) : (k))
#else
#define AT at
#define AT_OF(k) (k)
#endif

active [PROCESSES] proctype User() {
  byte round, at, left, stage, looks, tries, mode
  byte want[NODES]
  bool saw, calm, look, deaf, impatient, polite, moved

  {
    true
begin:
    atomic {
      chosen == PROCESSES || chosen == _pid
#ifndef ENDLESS
      if :: round == ROUNDS -> goto finish :: else -> round++ fi
#endif
      at = 0
      choose()
      if :: impatient = false :: ABORTS -> impatient = true fi
      // A space that prefers writers: pure readers are polite.
      polite = POLITE && (want[0] == IS || want[0] == S)
    }

    // taking.ts: proceed. space-lock.ts: othersWaitedLately, which may give the answer of a moment ago.
proceed:
    if
    :: calm -> saw = false
    :: atomic { saw = (shared_by(WAITING) & OTHERS) != 0; calm = !saw }
    fi

    // region.ts: enter.
next:
    atomic {
      if
      :: at == NODES -> goto granted
      :: else -> if :: want[AT] == NONE -> at++; goto next :: else fi
      fi
      mode = want[AT]
#ifndef BREAK_TURNSTILE_LOOK
      if
      :: saw -> d_step { row(TURNSTILE(AT), mode, false) }; if :: ok :: else -> goto wait fi
      :: else
      fi
#endif
    }
    atomic {
      d_step { row(GATE(AT), mode, true) }
      if :: ok -> at++; goto next :: else fi
    }

wait:
    // region.ts: wait.
    atomic { lock(V(AT), 1, false); saw = false; note(waits, true) }
    // backend.ts: beginWaiting, in its three steps, and the try that follows them.
#ifndef BREAK_WAITING_BYTE
    d_step { lock(WAITING, 1, false) }
#endif
    d_step { watching = watching | bit(_pid); deaf = (dying > 0) }
#ifdef BREAK_RETRY
    goto sleep
#endif

    // region.ts: tryIn.
try:
    atomic {
      if :: stage == AT_TURNSTILE -> goto gate :: else fi
      d_step { row(TURNSTILE(AT), mode, false) }
      if :: ok :: else -> goto queue fi
    }
    atomic {
      d_step { row(GATE(AT), mode, true) }
      if :: ok -> goto admit :: else fi
    }
queue:
    atomic {
      if :: polite -> goto pass :: else fi
      if
      :: stage == OUTSIDE ->
        d_step {
          may_lock(Q(AT), 1, true)
          if :: ok -> lock(Q(AT), 1, true); stage = IN_QUEUE; note(queued, true) :: else fi
        }
      :: else
      fi
      if :: stage == IN_QUEUE :: else -> goto pass fi
    }
    atomic {
      d_step { row(TURNSTILE(AT), mode, true) }
      if :: ok :: else -> goto pass fi
    }
    d_step { unlock(Q(AT), 1); stage = AT_TURNSTILE }
    atomic {
      d_step { row(GATE(AT), mode, true) }
      if :: ok -> goto admit :: else fi
    }
    ring_others(AT)
    goto sleep
gate:
    atomic {
      d_step { row(GATE(AT), mode, true) }
      if :: ok -> goto admit :: else -> goto sleep fi
    }

    // region.ts: passSleeper.
pass:
    atomic {
#ifdef BREAK_PASSING
      goto sleep
#endif
      if :: look :: else -> goto sleep fi
      d_step { row(GATE(AT), X, false); looks = (ok -> looks + 1 : 0) }
      if :: looks >= 2 :: else -> goto sleep fi
    }
    atomic {
      d_step { row(GATE(AT), mode, true) }
      if :: ok -> goto admit :: else fi
    }

    // In the event loop. wakeups.ts: heard, and the look after a while.
sleep:
    if
    :: atomic { (heard & bit(_pid)) != 0 -> heard = heard & ~bit(_pid); look = false; tries = 0; goto try }
    :: atomic { (timers & bit(_pid)) != 0 && dying == 0 -> timers = timers & ~bit(_pid); look = false; goto try }
#ifndef BREAK_LOOK
    :: atomic { deaf && dying == 0 -> deaf = false; look = true; goto try }
    :: atomic { stopped > 0 && tries < 3 && timeout -> tries++; look = true; goto try }
#endif
    :: atomic { impatient -> goto give_up }
    // With somebody stopped: nothing more will happen, and nobody may wait for a node that is free.
    :: atomic { stopped > 0 && tries == 3 && timeout -> d_step { row(GATE(AT), X, false); assert(!ok) }; goto end_waits }
    fi

    // region.ts: admit: stepOut, disband, ringOthers. taking.ts: entered. backend.ts: endWaiting.
admit:
    atomic {
      looks = 0; tries = 0
      at++
      moved = (stage != OUTSIDE)
      if
      :: stage == IN_QUEUE -> d_step { unlock(Q(AT_OF(at - 1)), 1); stage = OUTSIDE; note(queued, false) }
      :: stage == AT_TURNSTILE -> d_step { give(TURNSTILE(AT_OF(at - 1))); stage = OUTSIDE; note(queued, false) }
      :: else
      fi
    }
    d_step { unlock(V(AT_OF(at - 1)), 1); note(waits, false) }
    if
    :: moved -> moved = false; ring_others(AT_OF(at - 1))
    :: else
    fi
    d_step { unlock(WAITING, 1); watching = watching & ~bit(_pid); heard = heard & ~bit(_pid); timers = timers & ~bit(_pid); deaf = false }
    goto proceed

    // taking.ts: the patience has run out, or an abort. region.ts: stopWaiting.
give_up:
    atomic {
      looks = 0; tries = 0
      moved = (stage != OUTSIDE)
      if
      :: stage == IN_QUEUE -> d_step { unlock(Q(AT), 1); stage = OUTSIDE }
      :: stage == AT_TURNSTILE ->
#ifdef BREAK_GIVING_UP
        stage = OUTSIDE
#else
        d_step { give(TURNSTILE(AT)); stage = OUTSIDE }
#endif
      :: else
      fi
    }
    d_step { unlock(V(AT), 1) }
#ifdef BREAK_RING_BY_QUITTER
    moved = false
#endif
    if
    :: moved -> moved = false; ring_others(AT)
    :: else
    fi
    d_step { unlock(WAITING, 1); watching = watching & ~bit(_pid); heard = heard & ~bit(_pid); timers = timers & ~bit(_pid); deaf = false }
    goto leave

granted:
    atomic {
      must_be_alone()
      for (i : 0 .. NODES - 1) { holds[_pid * NODES + i] = want[i] }
      i = 0; mode = NONE; saw = false; impatient = false; polite = false
    }
#if DOWNGRADES
    // mode-lock.ts: weaken. backend.ts: weakened.
    if
    :: true
    :: atomic { NODES == 1 && want[0] == X -> want[0] = S; holds[_pid] = S }
#ifdef BREAK_WEAKENING
      d_step { unlock(GATE(0), ROW) }
      d_step { lock(GATE(0) + 1, SLOTS, false) }
#else
      d_step { lock(GATE(0) + 1, SLOTS, false) }
      d_step { unlock(GATE(0), 1) }
#endif
      goto weakened
    :: atomic { NODES == 1 && want[0] == SIX -> want[0] = S; holds[_pid] = S }
      d_step { lock(GATE(0) + 1, SLOTS, false) }
      goto weakened
    :: atomic { NODES == 1 && want[0] == IX -> want[0] = IS; holds[_pid] = IS }
      d_step { lock(GATE(0), 1, false) }
      d_step { unlock(GATE(0) + 1, SLOTS) }
weakened:
      if
      :: atomic { (shared_by(WAITING) & OTHERS) != 0 -> calm = false }
        ring_others(0)
      :: else -> calm = true
      fi
    fi
#endif
    // backend.ts: leave: first all gates, then tell.
leave:
    do
    :: atomic { left < at && want[AT_OF(left)] == NONE -> left++ }
    :: d_step { left < at && want[AT_OF(left)] != NONE -> give(GATE(AT_OF(left))); holds[_pid * NODES + AT_OF(left)] = NONE; left++ }
    :: atomic { left == at -> left = 0; break }
    od
#ifndef BREAK_BELL
    if
    :: at > 0 ->
      if
      :: atomic { (shared_by(WAITING) & OTHERS) != 0 -> calm = false; left = 0 }
        do
        :: left < at -> ring_others(AT_OF(left)); left++
        :: else -> break
        od
      :: else -> calm = true
      fi
    :: else
    fi
#endif
    atomic { left = 0; mode = NONE; impatient = false; polite = false; goto begin }

finish:
    atomic {
      fate[_pid] = DONE
      finished++
      calm = false; at = 0; round = 0
      for (i : 0 .. NODES - 1) { want[i] = NONE }
      // Nothing is left behind.
      if
      :: finished == PROCESSES -> for (i : 0 .. BYTES - 1) { assert(file[i] == 0) }
      :: else
      fi
    }
  } unless { fate[_pid] == KILLED || fate[_pid] == STOPPED }

  if
  :: fate[_pid] == KILLED ->
    // The kernel tells that the descriptor was closed, then frees its locks, file by file in any order.
    d_step {
      round = 0; at = 0; left = 0; stage = 0; looks = 0; tries = 0; mode = 0; saw = 0; calm = 0; look = 0; deaf = 0
      impatient = 0; polite = 0; moved = 0
      for (i : 0 .. NODES - 1) { want[i] = NONE }
      watching = watching & ~bit(_pid); heard = heard & ~bit(_pid); timers = timers & ~bit(_pid)
      heard = heard | watching
#ifndef BREAK_TIMERS
      timers = timers | watching
#endif
      dying++
    }
    if
    :: d_step { unlock(0, WAITING); dying--; for (i : 0 .. NODES - 1) { holds[_pid * NODES + i] = NONE }; i = 0 }
      d_step { unlock(WAITING, 1) }
    :: d_step { unlock(WAITING, 1) }
      d_step { unlock(0, WAITING); dying--; for (i : 0 .. NODES - 1) { holds[_pid * NODES + i] = NONE }; i = 0 }
    fi
    goto finish_dead
  :: fate[_pid] == STOPPED -> goto end_waits
  :: fate[_pid] == DONE -> goto end_done
  fi
finish_dead:
  atomic {
    finished++
    if
    :: finished == PROCESSES -> for (i : 0 .. BYTES - 1) { assert(file[i] == 0) }
    :: else
    fi
  }
  goto end_done
end_waits:
  false
end_done:
  skip
}

#if KILLS + STOPS > 0
// Strikes whom it likes, between any two steps.
active proctype Fate() {
  byte how
  chosen == PROCESSES
  do
  :: atomic {
      if
      :: killed < KILLS -> killed++; how = KILLED
      :: stopped < STOPS -> stopped++; how = STOPPED
      fi
      if
      :: fate[0] == ALIVE -> fate[0] = how
      :: fate[1] == ALIVE -> fate[1] = how
#if PROCESSES > 2
      :: fate[2] == ALIVE -> fate[2] = how
#endif
#if PROCESSES > 3
      :: fate[3] == ALIVE -> fate[3] = how
#endif
      :: break
      fi
      how = ALIVE
    }
  :: break
  od
}
#endif

#ifdef ENDLESS
// Whoever has got the queue byte is let in, whatever the others do.
ltl queued_enters { [] (queued[0] -> <> !queued[0]) }
// So is whoever waits (for a single writer among readers).
ltl waits_enters { [] (waits[0] -> <> !waits[0]) }
#endif
