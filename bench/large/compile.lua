-- A compiler at work: 15,000 different functions, about 270,000 lines, from source to bytecode.
local out = {}
for i = 1, 15000 do
    out[#out + 1] = string.format([[
local function f%d(a, b, ...)
    local t = {a, b, x = a + %d, y = "name %d", [b] = not a}
    for k, v in pairs(t) do
        if type(v) == "number" and v > %d.5e-1 then
            t[k] = v * 2 + (b or %d) // 3 - #t.y
        elseif v == "s%d" then
            t[k] = v .. k .. [=[long %d]=]
        else
            repeat b = (b or 0) + 1 until b > %d
        end
    end
    while a < 10 do a = a + t.x; goto done end
    ::done::
    return function(z) return z and t[z] or f(a, b, %d) end, ...
end
_G["f%d"] = f%d
]], i % 150, i, i, i, i, i, i, i, i, i, i % 150)
    if i % 150 == 0 then
        out[#out + 1] = "do end -- a chunk\n\0"
    end
end
local total, sum = 0, 0
for chunk in table.concat(out):gmatch("[^\0]+") do
    local code = string.dump(assert(load(chunk)))
    total = total + #code
    for k = 1, #code, 97 do
        sum = (sum * 31 + code:byte(k)) % 1000000007
    end
end
print(total, sum)
