-- What one writes by hand to tag in Envoy itself: FNV-1a (32 bit) of x-user-id
-- modulo 100, below 20 the tag s2, else s1.
function envoy_on_request(request)
  local headers = request:headers()
  local user = headers:getAtIndex("x-user-id", 0)
  if user == nil or user == "" then
    return
  end
  local hash = bit.tobit(2166136261)
  for i = 1, #user do
    hash = bit.bxor(hash, string.byte(user, i))
    -- The prime is 2^24 + 403. A product with all of it would not be exact in a
    -- Lua number, which is a double.
    hash = bit.tobit(bit.lshift(hash, 24) + hash * 403)
  end
  local bucket = hash % 4294967296 % 100
  headers:replace("x-asm-prefer-tag", bucket < 20 and "s2" or "s1")
end
