-- SPDX-License-Identifier: MIT
-- Requests of living sessions, page by page, and who owns the sessions.
-- KEYS    those of space.lua
-- ARGV    1 lease (µs) · 2 the last entry of the page before, or '' · 3 how many
-- Answer  {last entry, or '' at the end, {id, record, …}, {session, owner, µs until it expires, …}}; for a record see parse in space.lua
--@include space.lua
start(tonumber(ARGV[1]))
local entries = call('ZRANGEBYLEX', owned, ARGV[2] == '' and '-' or '(' .. ARGV[2], '+', 'LIMIT', '0', ARGV[3])
local requests, owners, seen = {}, {}, {}

-- How much longer a session lives if it is not heard of; nothing when it is dead.
local function left_of(session)
  local record = call('HGET', hash, '@' .. session)
  local left = record and tonumber(sub(record, 1, 16)) - now or 0
  return left > 0 and left
end

for _, entry in ipairs(entries) do
  local stop = find(entry, '\0', 1, true)
  local session = stop and sub(entry, 1, stop - 1)
  if session and seen[session] == nil then
    seen[session] = left_of(session)
    if seen[session] then
      owners[#owners + 1] = session
      owners[#owners + 1] = call('HGET', hash, 'i' .. session) or ''
      owners[#owners + 1] = seen[session]
    end
  end
  if session and seen[session] then
    local id = sub(entry, stop + 1)
    local record = call('HGET', hash, 'r' .. id)
    if record then
      requests[#requests + 1] = id
      requests[#requests + 1] = record
    end
  end
end
return { #entries == tonumber(ARGV[3]) and entries[#entries] or '', requests, owners }
