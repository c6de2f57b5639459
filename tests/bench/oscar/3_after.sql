-- What users do beside orders, and what time does to rows: later updates, deleted rows, counters.
INSERT INTO reviews_productreview (score, title, body, name, email, homepage, status, total_votes, delta_votes, date_created, product_id, user_id, code)
    SELECT score, left(pg_temp.prose(25), 200), pg_temp.prose(CASE WHEN score < 3 THEN 400 ELSE 150 END), CASE WHEN user_id IS NULL THEN 'Visitor' ELSE '' END,
           CASE WHEN user_id IS NULL THEN 'v' || pg_temp.zipf(9999) || '@example.com' ELSE '' END, '',
           CASE WHEN at > pg_temp.till() - interval '3 days' THEN 0 WHEN score = 1 AND random() < 0.3 THEN 2 ELSE 1 END,
           votes, (votes * (2 * power(random(), 0.5) - 1))::int, at, product_id, user_id, NULL
    FROM (SELECT DISTINCT ON (l.product_id, o.user_id, CASE WHEN o.user_id IS NULL THEN l.id END) l.product_id, o.user_id,
                 (ARRAY[5, 4, 1, 3, 2])[pg_temp.zipf(5)] AS score, CASE WHEN random() < 0.7 THEN 0 ELSE pg_temp.zipf(40) END AS votes,
                 least(pg_temp.till(), o.date_placed - ln(1 - random()) * interval '20 days') AS at
          FROM order_line l JOIN order_order o ON o.id = l.order_id WHERE l.product_id IS NOT NULL AND l.id % 6 = 0
          ORDER BY l.product_id, o.user_id, CASE WHEN o.user_id IS NULL THEN l.id END) r ORDER BY at;
INSERT INTO reviews_vote (delta, date_created, review_id, user_id)
    SELECT CASE WHEN random() < 0.75 THEN 1 ELSE -1 END, least(pg_temp.till(), date_created + random() * interval '90 days'), id, voter
    FROM (SELECT DISTINCT r.id, r.date_created, pg_temp.zipf(50000 + 0 * n) AS voter FROM reviews_productreview r, LATERAL generate_series(1, total_votes) n) v ORDER BY 2;
UPDATE catalogue_product p SET rating = r.mean
    FROM (SELECT product_id, avg(score) AS mean FROM reviews_productreview WHERE status = 1 GROUP BY 1) r WHERE r.product_id = p.id;
INSERT INTO analytics_productrecord (num_views, num_basket_additions, num_purchases, score, product_id)
    SELECT n * 17 + (random() * n)::int, n * 2, n, n * 3.0, product_id
    FROM (SELECT product_id, count(*)::int AS n FROM order_line WHERE product_id IS NOT NULL GROUP BY 1) t ORDER BY md5(product_id::text);
INSERT INTO analytics_userrecord (num_product_views, num_basket_additions, num_orders, num_order_lines, num_order_items, total_spent, date_last_order, user_id)
    SELECT pg_temp.zipf(400), coalesce(n, 0) * 3, coalesce(n, 0), coalesce(n, 0) * 2, coalesce(n, 0) * 3, coalesce(spent, 0), latest, u.id
    FROM auth_user u LEFT JOIN (SELECT user_id, count(*) AS n, sum(total_incl_tax) AS spent, max(date_placed) AS latest FROM order_order GROUP BY 1) o
        ON o.user_id = u.id WHERE u.id % 8 > 0 ORDER BY u.id;
INSERT INTO analytics_usersearch (query, date_created, user_id)
    SELECT CASE WHEN random() < 0.6 THEN pg_temp.pick('{dress,shoes,lamp,usb cable,gift,t-shirt,book,rain jacket,lego,mug,sale,"iphone case"}') ELSE left(pg_temp.prose(15), 250) END,
           greatest(u.date_joined, pg_temp.moment(1 - power(random(), 2))), u.id
    FROM (SELECT g, pg_temp.zipf(50000) * 7919 % 50000 + 1 AS id FROM generate_series(1, 60000) g) s JOIN auth_user u USING (id) ORDER BY 2;
-- Views are kept for three months.
INSERT INTO analytics_userproductview (date_created, product_id, user_id)
    SELECT pg_temp.moment(1 - 0.06 * power(1 - g / 160000.0, 0.8)), 1 + pg_temp.zipf(15000) * 7919 % 15000, 50001 - pg_temp.zipf(50000)
    FROM generate_series(1, 160000) g ORDER BY 1;
INSERT INTO voucher_voucher (id, name, code, usage, start_datetime, end_datetime, num_basket_additions, num_orders, total_discount, date_created)
    SELECT g, 'Voucher ' || g, upper(left(md5(g::text), 8)), pg_temp.pick('{Single use,Multi-use,Once per customer}'), at, at + interval '30 days', 0, 0, 0, at - interval '1 day'
    FROM (SELECT g, pg_temp.moment(g / 180.0) AS at FROM generate_series(1, 180) g) v;
INSERT INTO voucher_voucherapplication (date_created, order_id, user_id, voucher_id)
    SELECT o.date_placed, o.id, o.user_id, v.id FROM order_order o JOIN voucher_voucher v ON o.date_placed BETWEEN v.start_datetime AND v.end_datetime
    WHERE o.id % 7 = 0 AND (o.id + v.id) % 4 = 0 ORDER BY o.id;
INSERT INTO order_orderdiscount (category, offer_id, offer_name, voucher_id, voucher_code, frequency, amount, message, order_id)
    SELECT 'Basket', v.id / 4, 'Offer ' || v.id / 4, v.id, v.code, 1, round(o.total_incl_tax * 0.1, 2), '', o.id
    FROM voucher_voucherapplication a JOIN order_order o ON o.id = a.order_id JOIN voucher_voucher v ON v.id = a.voucher_id ORDER BY o.id;
INSERT INTO communication_notification (subject, body, location, date_sent, date_read, recipient_id)
    SELECT 'Order ' || number || ' was placed', CASE WHEN random() < 0.1 THEN pg_temp.prose(200) ELSE '' END, CASE WHEN days > 90 THEN 'Archive' ELSE 'Inbox' END,
           at, CASE WHEN random() < least(0.95, days / 60) THEN at + random() * days * interval '1 day' END, user_id
    FROM (SELECT *, date_placed AS at, extract(epoch FROM pg_temp.till() - date_placed) / 86400 AS days FROM order_order) o WHERE user_id IS NOT NULL ORDER BY at;
-- Mails: most have no HTML, some are so long that they are stored out of line.
INSERT INTO communication_email (subject, body_text, body_html, date_sent, user_id, email)
    SELECT 'Your order ' || number, pg_temp.prose(300), CASE WHEN random() < 0.25 THEN (SELECT string_agg(md5(o.id::text || n), '<p>') FROM generate_series(1, 10 + o.id % 200) n) ELSE '' END,
           date_placed, user_id, nullif(guest_email, '') FROM order_order o WHERE id > 60000 ORDER BY id;
INSERT INTO customer_productalert (email, key, status, date_created, date_confirmed, date_cancelled, date_closed, product_id, user_id)
    SELECT CASE WHEN user_id IS NULL THEN 'a' || g || '@example.com' ELSE '' END, left(md5(g::text), 40), status, at,
           CASE WHEN status <> 'Unconfirmed' THEN at END, CASE status WHEN 'Cancelled' THEN at + interval '5 days' END, CASE status WHEN 'Closed' THEN at + interval '20 days' END,
           1 + pg_temp.zipf(15000) * 7919 % 15000, user_id
    FROM (SELECT g, pg_temp.moment(g / 6000.0) AS at, pg_temp.pick('{Closed,Active,Unconfirmed,Cancelled}') AS status,
                 CASE WHEN random() < 0.7 THEN pg_temp.zipf(50000) END AS user_id FROM generate_series(1, 6000) g ORDER BY 2) a;
INSERT INTO wishlists_wishlist (id, name, key, visibility, date_created, owner_id)
    SELECT g, pg_temp.pick('{Default,Birthday,Christmas,Garden}'), left(md5(g::text), 2) || lpad(to_hex(g), 4, '0'), pg_temp.pick('{Private,Shared,Public}'), pg_temp.moment(g / 7000.0), 1 + g * 7
    FROM generate_series(1, 7000) g;
INSERT INTO wishlists_line (quantity, title, product_id, wishlist_id)
    SELECT 1, coalesce(nullif(p.title, ''), 'Variant'), CASE WHEN random() > 0.03 THEN p.id END, w.id
    FROM (SELECT DISTINCT id, pg_temp.zipf(15000 + 0 * n) AS product FROM wishlists_wishlist, LATERAL generate_series(1, id % 5 * (id % 3)) n) w JOIN catalogue_product p ON p.id = w.product ORDER BY w.id;
INSERT INTO django_session (session_key, session_data, expire_date)
    SELECT left(md5('s' || g), 32), repeat(md5(g::text), 1 + pg_temp.zipf(20)::int), pg_temp.till() + (14 * random() - 10) * interval '1 day' FROM generate_series(1, 25000) g;

-- Later life: counters in addresses, the youngest orders' rows touched again, old sessions and searches gone.
UPDATE address_useraddress a SET num_orders_as_shipping_address = least(n, 90)
    FROM (SELECT user_id, count(*) AS n FROM order_order GROUP BY 1) o WHERE o.user_id = a.user_id AND a.is_default_for_shipping;
UPDATE order_order SET analytics_tracked = true WHERE id > 70000 AND id % 3 = 0;
UPDATE partner_stockrecord SET num_in_stock = num_in_stock - 1, date_updated = pg_temp.till() WHERE num_in_stock > 300;
UPDATE voucher_voucher v SET num_orders = n FROM (SELECT voucher_id, count(*) AS n FROM voucher_voucherapplication GROUP BY 1) a WHERE a.voucher_id = v.id;
DELETE FROM django_session WHERE expire_date < pg_temp.till() - interval '7 days';
DELETE FROM analytics_usersearch WHERE date_created < pg_temp.till() - interval '1200 days' AND id % 2 = 0;
DELETE FROM order_lineattribute WHERE value = '""';
DO $$
DECLARE one record;
BEGIN
    FOR one IN SELECT attrelid::regclass AS name, attname FROM pg_attribute WHERE attidentity <> '' LOOP
        EXECUTE format('SELECT setval(pg_get_serial_sequence(%L, %L), max(%I)) FROM %s HAVING max(%I) > 0', one.name, one.attname, one.attname, one.name, one.attname);
    END LOOP;
END $$;
