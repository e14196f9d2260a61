-- SPDX-License-Identifier: MIT
-- What the other scripts share: nodes, records of requests, the queues, and the rule by which claims open. Included, never run alone.
--
-- KEYS  1  hash   '#t' last stamp (µs) · '#v' policy · '@S' a session: expiry (16 digits, µs) and epoch (8) · 'iS' its owner
--                 'nPATH' a node: counts, packed · 'rID' a request · 'cID' how many of its claims are closed (when more than one)
--       2  zset   S NUL ID                        what each session has asked for, by lexicographic range
--                 S \1 and a filling              one for each session: the set never shrinks to the encoding that is searched from end to end
--       3  zset   PATH NUL mode NUL stamp NUL ID  closed claims, first come first; modes 6 and 7: readers that stand aside
--       4  zset   S by expiry (µs)
--       5  zset   PATH                            nodes at which more claims may open than one script had time for
--
-- Modes are 1 IS, 2 IX, 3 S, 4 SIX, 5 X. A node counts its open claims (numbers 1-5), its closed ones (6-10) and, in a space that prefers
-- writers, the pure readers that stand aside in mode IS (11) and S (12). The last seven are packed only when one of them is not zero.
--
-- Invariant: a closed claim is incompatible with an open one at its node, or with an older closed one, unless its node is in the fifth key;
-- and a request holds its lock when it has no closed claim. All claims of a request are placed by one script, so no two requests wait for
-- each other. A reader that stands aside is counted at one node alone, one that blocks it, and enters whole or not at all: so every writer
-- goes before it.
--
-- A script that fails half-way is not rolled back: so whatever can fail for want of memory is the first write, or comes after one that cannot
-- (a server that is full refuses the first write of a script, not those that follow).
local hash, owned, queue, sessions, todo = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local call, sub, find, pack, unpack_ = redis.call, string.sub, string.find, struct.pack, struct.unpack
local EXCLUDES = { { 5 }, { 3, 4, 5 }, { 2, 4, 5 }, { 2, 3, 4, 5 }, { 1, 2, 3, 4, 5 } }
local OPEN, ALL = '<I4I4I4I4I4', '<I4I4I4I4I4I4I4I4I4I4I4I4'

-- How much more this run may open and reap, in steps of about 2 µs: what is left over is done by whoever comes next.
local budget = 600
local OPENING, LEAVING = 4, 4

-- The clock does not run backwards, unless it was set back by more than a lease.
local function clock(last, lease)
  local T = call('TIME')
  local us = T[1] * 1000000 + T[2]
  if us < last and last - us < lease then return last end
  return us
end

local function digits(us) return string.format('%016.0f', us) end

local last, now, stored = 0, 0, 0
-- `at`: the moment that the script has acted on before. What it has found alive must not be reaped as dead in the same run.
local function start(lease, at)
  last = tonumber(call('HGET', hash, '#t') or '0')
  stored = last
  now = at or clock(last, lease)
end

-- A stamp is a position in the line, or a token: larger than every earlier one, and as near to the time in µs as that allows.
local function stamp()
  last = math.max(last + 1, now)
  return digits(last)
end

local nodes, changed = {}, {}
local function node(path)
  local known = nodes[path]
  if known then return known end
  local packed = call('HGET', hash, 'n' .. path)
  local n
  if not packed then
    n = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 }
  elseif #packed == 20 then
    local is, ix, s, six, x = unpack_(OPEN, packed)
    n = { is, ix, s, six, x, 0, 0, 0, 0, 0, 0, 0 }
  else
    n = { unpack_(ALL, packed) }
  end
  nodes[path] = n
  return n
end

local function add(path, number, by)
  local n = node(path)
  n[number] = n[number] + by
  changed[path] = true
end

local function save()
  if last ~= stored then call('HSET', hash, '#t', digits(last)) end
  stored = last
  for path in pairs(changed) do
    local n = nodes[path]
    if n[6] + n[7] + n[8] + n[9] + n[10] + n[11] + n[12] > 0 then
      call('HSET', hash, 'n' .. path, pack(ALL, unpack(n, 1, 12)))
    elseif n[1] + n[2] + n[3] + n[4] + n[5] > 0 then
      call('HSET', hash, 'n' .. path, pack(OPEN, unpack(n, 1, 5)))
    else
      call('HDEL', hash, 'n' .. path)
    end
  end
  changed = {}
end

-- A request: '+' granted or '-' waiting, its stamp (the token, or the position), then, with NUL between them: session, modes, the number
-- of the claim at whose node a reader stands aside ('' for all others), name, paths.
local function parse(record)
  local at = 18
  local function field()
    local stop = find(record, '\0', at, true) or #record + 1
    local text = sub(record, at, stop - 1)
    at = stop + 1
    return text
  end
  local r = { state = sub(record, 1, 1), stamp = sub(record, 2, 17), session = field(), modes = field(), aside = field(), name = field() }
  local paths = {}
  while at <= #record + 1 do paths[#paths + 1] = field() end
  r.paths = paths
  return r
end

local function compose(r)
  local head = r.state .. r.stamp .. r.session .. '\0' .. r.modes .. '\0' .. r.aside .. '\0' .. r.name .. '\0'
  return head .. table.concat(r.paths, '\0')
end

local function keep(id, r) call('HSET', hash, 'r' .. id, compose(r)) end

local function request(id)
  local record = call('HGET', hash, 'r' .. id)
  return record and parse(record)
end

local function mode(r, i) return string.byte(r.modes, i) - 48 end

local function place(path, m, at, id) return path .. '\0' .. m .. '\0' .. at .. '\0' .. id end

-- The oldest closed claim of a mode at a node: its entry, stamp and request.
local function head(path, m)
  local prefix = path .. '\0' .. m
  local entry = call('ZRANGEBYLEX', queue, '[' .. prefix .. '\0', '(' .. prefix .. '\1', 'LIMIT', '0', '1')[1]
  if entry then return entry, sub(entry, #prefix + 2, #prefix + 17), sub(entry, #prefix + 19) end
end

-- True when nothing that stands at the node, open or closed, excludes this mode.
local function clear(n, m)
  for _, other in ipairs(EXCLUDES[m]) do
    if n[other] + n[5 + other] > 0 then return false end
  end
  return true
end

-- The first claim of a request that is not clear, if any.
local function obstacle(r)
  for i = 1, #r.paths do
    if not clear(node(r.paths[i]), mode(r, i)) then return i end
  end
end

local function tell(session, message) call('PUBLISH', hash .. ':' .. session, message) end

-- A request that had to wait holds its lock; `record` is what it was, with nothing aside.
local function grant(id, record)
  local token = stamp()
  call('HSET', hash, 'r' .. id, '+' .. token .. sub(record, 18))
  tell(sub(record, 18, find(record, '\0', 18, true) - 1), id .. ' ' .. token)
end

local function enter(r)
  for i = 1, #r.paths do add(r.paths[i], mode(r, i), 1) end
end

-- The number, among the modes, of a reader that stands aside with its claim number `at`.
local function aside_mode(r, at) return mode(r, at) == 1 and 6 or 7 end

local function stand_aside(id, r, at)
  local path, m = r.paths[at], aside_mode(r, at)
  call('ZADD', queue, '0', place(path, m, r.stamp, id))
  add(path, 5 + m, 1)
  r.aside = tostring(at)
  keep(id, r)
end

-- Readers that stand aside at a node which is clear for them now look again: they enter, or stand aside at another that blocks them.
local function look_aside(path, n)
  for m = 6, 7 do
    while n[5 + m] > 0 and clear(n, m == 6 and 1 or 3) do
      if budget <= 0 then
        call('ZADD', todo, '0', path)
        return
      end
      local entry, _, id = head(path, m)
      if not entry then return end
      call('ZREM', queue, entry)
      add(path, 5 + m, -1)
      local r = request(id)
      budget = budget - OPENING - #r.paths
      local at = obstacle(r)
      if at then
        stand_aside(id, r, at)
      else
        enter(r)
        r.aside = ''
        grant(id, compose(r))
      end
    end
  end
end

-- One closed claim of a request opens; with its last one it holds its lock.
local function open(id)
  local v = call('HMGET', hash, 'r' .. id, 'c' .. id)
  local closed = tonumber(v[2] or '1') - 1
  if closed > 1 then
    call('HSET', hash, 'c' .. id, closed)
  elseif v[2] then
    call('HDEL', hash, 'c' .. id)
  end
  if closed == 0 then grant(id, v[1]) end
end

-- Opens what can be opened at a node: the oldest closed claim that is compatible with all open ones and with all older closed ones.
local function advance(path)
  local n = node(path)
  if n[6] + n[7] + n[8] + n[9] + n[10] > 0 then
    if budget <= 0 then
      call('ZADD', todo, '0', path)
      return
    end
    local entries, stamps, ids = {}, {}, {}
    for m = 1, 5 do
      if n[5 + m] > 0 then entries[m], stamps[m], ids[m] = head(path, m) end
    end
    while true do
      local best
      for m = 1, 5 do
        if stamps[m] and (not best or stamps[m] < stamps[best]) then
          local free = true
          for _, other in ipairs(EXCLUDES[m]) do
            if n[other] > 0 or (stamps[other] and stamps[other] < stamps[m]) then
              free = false
              break
            end
          end
          if free then best = m end
        end
      end
      if not best then break end
      if budget <= 0 then
        call('ZADD', todo, '0', path)
        return
      end
      budget = budget - OPENING
      call('ZREM', queue, entries[best])
      add(path, 5 + best, -1)
      add(path, best, 1)
      open(ids[best])
      entries[best], stamps[best], ids[best] = nil, nil, nil
      if n[5 + best] > 0 then entries[best], stamps[best], ids[best] = head(path, best) end
    end
  end
  if n[11] + n[12] > 0 then look_aside(path, n) end
end

-- A request goes, whether it holds or waits; `r` is what its record says.
local function leave(id, r)
  budget = budget - LEAVING - #r.paths
  call('HDEL', hash, 'r' .. id, 'c' .. id)
  call('ZREM', owned, r.session .. '\0' .. id)
  if r.aside ~= '' then
    local at = tonumber(r.aside)
    local path, m = r.paths[at], aside_mode(r, at)
    call('ZREM', queue, place(path, m, r.stamp, id))
    add(path, 5 + m, -1)
    return
  end
  local waits = r.state == '-'
  for i = 1, #r.paths do
    local path, m = r.paths[i], mode(r, i)
    local closed = waits and call('ZREM', queue, place(path, m, r.stamp, id)) == 1
    add(path, closed and 5 + m or m, -1)
  end
  for i = 1, #r.paths do advance(r.paths[i]) end
end

local function filling(session) return session .. '\1' .. string.rep(' ', 64) end

-- What dead sessions left, as far as the budget goes. One that is past its expiry is refused everything, reaped or not.
local function reap()
  for _, session in ipairs(call('ZRANGEBYSCORE', sessions, '-inf', digits(now), 'LIMIT', '0', '8')) do
    local entries = call('ZRANGEBYLEX', owned, '[' .. session .. '\0', '(' .. session .. '\1', 'LIMIT', '0', '100')
    for _, entry in ipairs(entries) do
      if budget <= 0 then return end
      local id = sub(entry, #session + 2)
      local r = request(id)
      if r then leave(id, r) else call('ZREM', owned, entry) end
    end
    if #entries == 100 or budget <= 0 then return end
    call('ZREM', sessions, session)
    call('ZREM', owned, filling(session))
    call('HDEL', hash, '@' .. session, 'i' .. session)
    tell(session, 'expired')
  end
end

local function resume()
  for _, path in ipairs(call('ZRANGE', todo, '0', '7')) do
    if budget <= 0 then return end
    call('ZREM', todo, path)
    advance(path)
  end
end

-- 2 when there is more to do than this run had time for, else 1.
local function finish()
  save()
  if call('ZCARD', todo) > 0 then return 2 end
  return call('ZCOUNT', sessions, '-inf', digits(now)) > 0 and 2 or 1
end

-- When the next session will be dead if it is not heard of, in µs from now; -1 when there is none.
local function next_expiry()
  local first = call('ZRANGE', sessions, '0', '0', 'WITHSCORES')
  return first[2] and math.max(0, tonumber(first[2]) - now) or -1
end

-- 1 when the session is alive and this is its present epoch; -1 when it is gone; -2 when a later epoch has begun.
local function alive(session, epoch)
  local record = call('HGET', hash, '@' .. session)
  if not record or tonumber(sub(record, 1, 16)) <= now then return -1 end
  return sub(record, 17, 24) == epoch and 1 or -2
end
