-- A database of the size of a small shop: inserts, indexes, joins, groups, updates.
create table item(id integer primary key, kind integer, name text, price real);
with recursive n(x) as (select 1 union all select x + 1 from n where x < 100000)
    insert into item select x, (x * 7919) % 10007, printf('name%d', (x * 31) % 5003), x / 3.0 from n;
create index item_kind on item(kind);
create index item_name on item(name);
select count(*), sum(kind), avg(price) from item where kind between 100 and 5000;
select name, count(*) n, sum(kind) from item group by name order by n desc, name limit 5;
select count(*) from item x join item y on x.kind = y.id where y.price > 100;
select count(*) from item where name like '%e49%' or name like 'name7%9';
update item set price = price * 2 where kind % 3 = 0;
delete from item where kind % 7 = 1;
select count(*), sum(length(name)), printf('%.6f', total(price)) from item;
select count(distinct substr(name, 1, 6)) from item;
