-- SPDX-License-Identifier: MIT
-- A holder keeps less than it has, without a gap.
-- KEYS    those of space.lua
-- ARGV    1 session · 2 id · 3 lease (µs) · 4 modes to keep, a digit a claim, none stronger than what is held
-- Answer  0 it holds nothing · 1 done · 2 done, and there is more to do
--@include space.lua
start(tonumber(ARGV[3]))
resume()
local id, modes = ARGV[2], ARGV[4]
local r = request(id)
if not r or r.session ~= ARGV[1] or r.state ~= '+' then
  save()
  return 0
end
for i = 1, #r.paths do
  add(r.paths[i], mode(r, i), -1)
  add(r.paths[i], string.byte(modes, i) - 48, 1)
end
r.modes = modes
-- Takes nothing away: it is a first write that a full server allows.
call('HDEL', hash, 'c' .. id)
keep(id, r)
for i = 1, #r.paths do advance(r.paths[i]) end
return finish()
