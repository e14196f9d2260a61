-- SPDX-License-Identifier: MIT
-- Asks for a lock: takes it, or takes a place in the line. The same id asked for twice is one request.
-- KEYS    those of space.lua
-- ARGV    1 session · 2 epoch (8 digits) · 3 id · 4 '1' to wait, '0' to try · 5 '1' for a pure reader of a space that prefers writers ·
--         6 lease (µs) · 7 modes, a digit a claim · 8 name NUL path NUL path … · 9 '#t' · 10 '@' session · 11 'r' id · 12… 'n' path
-- Answer  {1, token} granted · {2, µs until the next session expires, 1 or 2: more to do} waits
--         {0, 1 or 2: more to do} busy · {-1} session gone · {-2} epoch over
local call, byte, pack, unpack_, args = redis.call, string.byte, struct.pack, struct.unpack, ARGV
local moment
do
  local v = call('HMGET', KEYS[1], unpack(args, 9))
  local session, before = v[2], v[3]
  if not session then return { -1 } end
  -- Times are texts of 16 digits: they compare as numbers do, and need not be converted as long as the clock goes forwards.
  local T, last = call('TIME'), v[1] or ''
  local fraction = T[2]
  local now = T[1] .. (#fraction == 6 and fraction or string.rep('0', 6 - #fraction) .. fraction)
  local token = now
  if now <= last then
    token = string.format('%016.0f', last + 1)
    if last - now < tonumber(args[6]) then now = last end
  end
  if string.sub(session, 1, 16) <= now then return { -1 } end
  if string.sub(session, 17) ~= args[2] then return { -2 } end
  moment = now
  if before then
    if byte(before) == 43 then return { 1, string.sub(before, 2, 17) } end
    return { 2, 0, 2 }
  end
  -- The fast path: every node is free of closed claims, and its open ones are compatible.
  local modes, n = args[7], 4
  local set = { '#t', token, args[11], '', '', '', '', '', '', '', '', '', '', '', '', '' }
  for i = 12, #args do
    local packed, m = v[i - 8], byte(modes, i - 11)
    if not packed then
      if m == 50 then packed = '\0\0\0\0\1\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0'
      elseif m == 53 then packed = '\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1\0\0\0'
      elseif m == 49 then packed = '\1\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0'
      elseif m == 51 then packed = '\0\0\0\0\0\0\0\0\1\0\0\0\0\0\0\0\0\0\0\0'
      else packed = '\0\0\0\0\0\0\0\0\0\0\0\0\1\0\0\0\0\0\0\0' end
    else
      if #packed ~= 20 then n = 0 break end
      local is, ix, s, six, x = unpack_('<I4I4I4I4I4', packed)
      if x > 0 then n = 0 break end
      if m == 50 then
        if s + six > 0 then n = 0 break end
        ix = ix + 1
      elseif m == 49 then is = is + 1
      elseif m == 53 then n = 0 break
      elseif m == 51 then
        if ix + six > 0 then n = 0 break end
        s = s + 1
      else
        if ix + s + six > 0 then n = 0 break end
        six = six + 1
      end
      packed = pack('<I4I4I4I4I4', is, ix, s, six, x)
    end
    set[n + 1], set[n + 2] = args[i], packed
    n = n + 2
  end
  if n > 0 then
    set[4] = '+' .. token .. args[1] .. '\0' .. modes .. '\0\0' .. args[8]
    call('HSET', KEYS[1], unpack(set, 1, n))
    call('ZADD', KEYS[2], '0', args[1] .. '\0' .. args[3])
    return { 1, token }
  end
end
--@include space.lua
local session, id = ARGV[1], ARGV[3]
start(tonumber(ARGV[6]), tonumber(moment))
resume()
reap()
local r = parse('-' .. string.rep('0', 16) .. session .. '\0' .. ARGV[7] .. '\0\0' .. ARGV[8])
local at = obstacle(r)
if at and ARGV[4] == '0' then return { 0, finish() } end
r.stamp = stamp()
call('ZADD', owned, '0', session .. '\0' .. id)
if not at then
  r.state = '+'
  enter(r)
  keep(id, r)
  finish()
  return { 1, r.stamp }
end
if ARGV[5] == '1' then
  stand_aside(id, r, at)
else
  local closed = 0
  for i = 1, #r.paths do
    local m, path = mode(r, i), r.paths[i]
    if clear(node(path), m) then
      add(path, m, 1)
    else
      add(path, 5 + m, 1)
      call('ZADD', queue, '0', place(path, m, r.stamp, id))
      closed = closed + 1
    end
  end
  keep(id, r)
  if closed > 1 then call('HSET', hash, 'c' .. id, closed) end
end
local more = finish()
return { 2, next_expiry(), more }
