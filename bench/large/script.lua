-- Tables, strings, closures and a sort: what scripts do.
local seed = 7
local function random(n)
    seed = (seed * 16807) % 2147483647
    return seed % n + 1
end

local function words(n)
    local list = {}
    for i = 1, n do
        local chars = {}
        for k = 1, 3 + random(8) do
            chars[k] = string.char(96 + random(26))
        end
        list[i] = table.concat(chars)
    end
    return list
end

local Account = {}
Account.__index = Account
function Account.new(name)
    return setmetatable({name = name, balance = 0, log = {}}, Account)
end
function Account:pay(n)
    self.balance = self.balance + n
    self.log[#self.log + 1] = n
end

local list = words(100000)
local count = {}
for _, w in ipairs(list) do
    local head = w:sub(1, 3)
    count[head] = (count[head] or 0) + 1
end
table.sort(list)
local accounts = {}
for i = 1, 500 do
    accounts[i] = Account.new(list[i])
end
for i = 1, 300000 do
    accounts[random(#accounts)]:pay(i % 100)
end
local sum, heads = 0, 0
for _, a in ipairs(accounts) do
    for _, n in ipairs(a.log) do
        sum = sum + n
    end
end
for _ in pairs(count) do
    heads = heads + 1
end
local text = table.concat(list, " ")
local vowels = select(2, text:gsub("[aeiou]", "%0"))
print(list[1], list[#list], sum, heads, vowels)
