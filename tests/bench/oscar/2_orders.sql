-- Baskets, orders, their lines, addresses and payments, in the order of time; the rate grows, one sale day sticks out.
INSERT INTO basket_basket (id, status, date_created, date_merged, date_submitted, owner_id)
    SELECT id, status, created, CASE status WHEN 'Merged' THEN created + random() * interval '9 days' END,
           CASE status WHEN 'Submitted' THEN least(pg_temp.till(), created - ln(1 - random()) * interval '40 minutes') END,
           CASE WHEN status IN ('Merged', 'Frozen') OR random() < 0.65 THEN 1 + CASE
               WHEN random() < 0.3 THEN pg_temp.zipf(users) * 7919 % users ELSE floor(users * (1 - power(random(), 1.5)))::int END END
    FROM (SELECT row_number() OVER (ORDER BY created) AS id, created, status,
                 greatest(1, row_number() OVER (ORDER BY created) * 50000 / 130000 - 50) AS users
          FROM (SELECT CASE WHEN random() < 0.03 THEN '2025-11-28 06:00+00'::timestamptz + random() * interval '17 hours'
                            ELSE pg_temp.moment(power(g / 130000.0, 0.6)) END AS created,
                       pg_temp.pick('{Submitted,Submitted,Open,Submitted,Open,Submitted,Open,Submitted,Merged,Open,Submitted,Frozen}') AS status
                FROM generate_series(1, 130000) g) d ORDER BY created) b;

CREATE TEMP TABLE placed AS
    SELECT row_number() OVER (ORDER BY date_submitted, id) AS id, id AS basket_id, owner_id, date_submitted AS at, random() AS luck,
           extract(day FROM pg_temp.till() - date_submitted) AS days, random() < 0.55 AS has_billing, random() < 0.96 AS is_shipped
    FROM basket_basket WHERE date_submitted IS NOT NULL ORDER BY 1;
ALTER TABLE placed ADD status text, ADD shipping numeric(12, 2), ADD address_id bigint, ADD billing_id bigint;
UPDATE placed p SET
    status = CASE WHEN days < 2 THEN CASE WHEN luck < 0.45 THEN 'Pending' ELSE 'Being processed' END
                  WHEN days < 12 THEN CASE WHEN luck < 0.05 THEN 'Cancelled' WHEN luck < 0.3 THEN 'Being processed' ELSE 'Shipped' END
                  WHEN luck < 0.06 THEN 'Cancelled' WHEN luck < 0.095 THEN 'Returned' WHEN luck < 0.097 THEN 'Pending' ELSE 'Complete' END,
    shipping = CASE WHEN NOT is_shipped THEN 0 ELSE (ARRAY[3.99, 0, 5.99, 14.5])[pg_temp.zipf(4)] END,
    address_id = CASE WHEN is_shipped THEN n.address END, billing_id = CASE WHEN has_billing THEN n.billing END
FROM (SELECT id, count(*) FILTER (WHERE is_shipped) OVER w AS address, count(*) FILTER (WHERE has_billing) OVER w AS billing
      FROM placed WINDOW w AS (ORDER BY id)) n
WHERE n.id = p.id;
ANALYZE placed;
CREATE TEMP TABLE bought AS
    SELECT row_number() OVER (ORDER BY d.order_id) AS id, d.order_id, d.quantity, d.at, d.status, s.id AS stock_id, s.product_id, s.partner_id,
           s.partner_sku, round(coalesce(s.price, 9.99) * (0.8 + 0.2 * (d.order_id / 90000.0)), 2) AS price
    FROM (SELECT p.id AS order_id, p.at, p.status, CASE WHEN random() < 0.8 THEN 1 ELSE pg_temp.zipf(24) END AS quantity,
                 CASE WHEN random() < 0.5 THEN 1 + pg_temp.zipf(stocked) * 7919 % stocked ELSE stocked + 1 - pg_temp.zipf(stocked) END AS stock
          FROM (SELECT *, greatest(40, floor(power(id / (max(id) OVER ())::float, 0.75) * (SELECT max(id) FROM partner_stockrecord)))::bigint AS stocked
                FROM placed) p
          CROSS JOIN LATERAL generate_series(1, CASE WHEN random() < 0.002 THEN 45 ELSE - floor(ln(1 - random()) * 1.8 + 0 * p.id)::int END) n
          ORDER BY p.id) d
    JOIN partner_stockrecord s ON s.id = d.stock;
ANALYZE bought;

-- Who has an account mostly ships to an address of his own; guests live anywhere.
CREATE TEMP TABLE addresses AS SELECT row_number() OVER (ORDER BY id) AS n, * FROM address_useraddress;
CREATE UNIQUE INDEX ON addresses (n);
CREATE TEMP TABLE shipped_to AS
    SELECT p.id AS order_id, p.address_id, p.billing_id,
           coalesce(u.n, 1 + (p.id * 48271::bigint) % (SELECT count(*) FROM addresses)) AS n
    FROM placed p LEFT JOIN (SELECT user_id, min(n) AS n FROM addresses GROUP BY user_id) u ON u.user_id = p.owner_id;
INSERT INTO order_shippingaddress (id, title, first_name, last_name, line1, line2, line3, line4, state, postcode, search_text, phone_number, notes, country_id)
    SELECT s.address_id, title, first_name, last_name, line1, line2, line3, line4, state, postcode, search_text,
           CASE WHEN random() < 0.7 THEN phone_number ELSE '' END, CASE WHEN random() < 0.08 THEN pg_temp.prose(80) ELSE '' END, country_id
    FROM shipped_to s JOIN addresses a USING (n) WHERE s.address_id IS NOT NULL ORDER BY s.address_id;
INSERT INTO order_billingaddress (id, title, first_name, last_name, line1, line2, line3, line4, state, postcode, search_text, country_id)
    SELECT s.billing_id, title, first_name, last_name, line1, line2, line3, line4, state, postcode, search_text, country_id
    FROM shipped_to s JOIN addresses a USING (n) WHERE s.billing_id IS NOT NULL ORDER BY s.billing_id;

INSERT INTO order_order (id, number, currency, total_incl_tax, total_excl_tax, shipping_incl_tax, shipping_excl_tax, shipping_method,
        shipping_code, status, guest_email, date_placed, basket_id, billing_address_id, shipping_address_id, site_id, user_id, shipping_tax_code, analytics_tracked)
    SELECT p.id, (100000 + p.basket_id)::text, CASE WHEN (luck * 1e3)::numeric % 1 < 0.91 THEN 'GBP' WHEN (luck * 1e3)::numeric % 1 < 0.98 THEN 'EUR' ELSE 'USD' END,
           t.total + shipping, round((t.total + shipping) / 1.2, 2), shipping, round(shipping / 1.2, 2),
           CASE WHEN NOT is_shipped THEN 'No shipping required' WHEN shipping = 0 THEN 'Free' WHEN shipping < 5 THEN 'Standard' ELSE 'Express' END,
           CASE WHEN NOT is_shipped THEN 'no-shipping-required' WHEN shipping = 0 THEN 'free' WHEN shipping < 5 THEN 'standard' ELSE 'express' END,
           status, CASE WHEN owner_id IS NULL THEN 'guest' || 7919 * p.id % 20011 || '@example.com' ELSE '' END, at,
           CASE WHEN days < 1200 OR luck > 0.2 THEN p.basket_id END, billing_id, address_id, CASE WHEN p.id > 3000 THEN 1 END, owner_id,
           CASE WHEN days < 500 THEN 'S' END, days > 1
    FROM placed p JOIN (SELECT order_id, sum(price * quantity) AS total FROM bought GROUP BY order_id) t ON t.order_id = p.id ORDER BY p.id;
INSERT INTO order_line (id, partner_name, partner_sku, partner_line_reference, partner_line_notes, title, upc, quantity,
        line_price_incl_tax, line_price_excl_tax, line_price_before_discounts_incl_tax, line_price_before_discounts_excl_tax,
        unit_price_incl_tax, unit_price_excl_tax, status, order_id, partner_id, product_id, stockrecord_id, tax_code, allocation_cancelled, num_allocated)
    SELECT b.id, r.name, b.partner_sku, '', CASE WHEN random() < 0.03 THEN pg_temp.prose(60) ELSE '' END,
           coalesce(nullif(p.title, ''), f.title), p.upc, b.quantity, price * quantity, round(price * quantity / 1.2, 2),
           round(price * quantity * cut, 2), round(price * quantity * cut / 1.2, 2), CASE WHEN b.id > 15000 THEN price END,
           CASE WHEN b.id > 15000 THEN round(price / 1.2, 2) END, CASE b.status WHEN 'Complete' THEN 'Shipped' ELSE b.status END, order_id,
           CASE WHEN random() > 0.004 THEN b.partner_id END, CASE WHEN random() > 0.01 THEN b.product_id END,
           CASE WHEN random() > 0.02 THEN b.stock_id END, CASE WHEN at > '2025-06-01' THEN pg_temp.pick('{S,S,S,Z}') END,
           b.status = 'Cancelled', CASE WHEN b.status IN ('Pending', 'Being processed') THEN quantity ELSE 0 END
    FROM (SELECT *, CASE WHEN random() < 0.2 THEN 1 + random() / 3 ELSE 1 END::numeric AS cut FROM bought) b
    JOIN partner_partner r ON r.id = b.partner_id JOIN catalogue_product p ON p.id = b.product_id
    LEFT JOIN catalogue_product f ON f.id = p.parent_id ORDER BY b.id;
-- Prices a line came after two years.
INSERT INTO order_lineprice (quantity, price_incl_tax, price_excl_tax, shipping_incl_tax, shipping_excl_tax, line_id, order_id, tax_code)
    SELECT quantity, unit_price_incl_tax, unit_price_excl_tax, 0, 0, id, order_id, tax_code FROM order_line WHERE id > 80000 ORDER BY id;
INSERT INTO catalogue_option (id, name, code, type, required)
    SELECT n, initcap(c), c, 'text', false FROM unnest('{engraving,wrap,greeting,fitting}'::text[]) WITH ORDINALITY t (c, n);
INSERT INTO order_lineattribute (type, value, line_id, option_id)
    SELECT code, CASE code WHEN 'engraving' THEN to_jsonb(left(pg_temp.prose(12), 40))
               WHEN 'wrap' THEN jsonb_build_object('paper', pg_temp.pick('{red,gold,blue}'), 'ribbon', random() < 0.4)
               WHEN 'greeting' THEN jsonb_build_object('text', pg_temp.prose(90), 'lang', pg_temp.pick('{en,de,fr}')) || CASE WHEN random() < 0.2 THEN '{"from": {"name": "A", "hidden": true}}' ELSE '{}' END::jsonb
               ELSE jsonb_build_object('sizes', jsonb_build_array(pg_temp.zipf(60), pg_temp.zipf(60), NULL)) END, l.id, CASE WHEN l.id > 9000 THEN o.id END
    FROM (SELECT id, pg_temp.zipf(4) AS option FROM order_line WHERE random() < 0.14) l JOIN catalogue_option o ON o.id = l.option ORDER BY l.id;
-- Each step of an order after the one before it, as far as its status got.
INSERT INTO order_orderstatuschange (old_status, new_status, date_created, order_id)
    SELECT old, new, at + step * random() * interval '30 hours', p.id
    FROM placed p JOIN (VALUES (1, 'Pending', 'Being processed'), (2, 'Being processed', 'Shipped'), (3, 'Shipped', 'Complete'),
                               (4, 'Complete', 'Returned'), (9, 'Pending', 'Cancelled')) s (step, old, new)
        ON CASE p.status WHEN 'Cancelled' THEN step = 9 ELSE step < array_position('{Pending,Being processed,Shipped,Complete,Returned}', p.status) END
    WHERE p.id > 5000 ORDER BY 3;
INSERT INTO payment_sourcetype (id, name, code) VALUES (1, 'Card', 'card'), (2, 'PayPal', 'paypal'), (3, 'Gift card', 'gift'), (4, 'Invoice', 'invoice');
INSERT INTO payment_source (id, currency, amount_allocated, amount_debited, amount_refunded, reference, label, order_id, source_type_id)
    SELECT id, currency, total_incl_tax, CASE WHEN status IN ('Pending', 'Cancelled') THEN 0 ELSE total_incl_tax END,
           CASE status WHEN 'Returned' THEN round(total_incl_tax * (ARRAY[1, 0.5])[pg_temp.zipf(2)], 2) ELSE 0 END, md5(number),
           CASE WHEN random() < 0.3 THEN '**** ' || (1000 + random() * 8999)::int ELSE '' END, id, pg_temp.zipf(4)
    FROM order_order ORDER BY id;
INSERT INTO payment_transaction (txn_type, amount, reference, status, date_created, source_id)
    SELECT kind, CASE kind WHEN 'Refund' THEN amount_refunded ELSE amount_allocated END, left(md5(kind || s.id), 24),
           CASE WHEN random() < 0.97 THEN 'Accepted' ELSE 'Declined' END, o.date_placed + delay * random(), s.id
    FROM payment_source s JOIN order_order o ON o.id = s.order_id
    JOIN (VALUES ('Authorise', interval '2 minutes'), ('Debit', interval '3 days'), ('Refund', interval '30 days')) k (kind, delay)
        ON kind = 'Authorise' OR kind = 'Debit' AND amount_debited > 0 OR amount_refunded > 0
    ORDER BY 5;
-- Baskets keep their lines while they are young or were never bought.
INSERT INTO basket_line (line_reference, quantity, price_currency, price_excl_tax, price_incl_tax, date_created, basket_id, product_id, stockrecord_id, date_updated, tax_code)
    SELECT stock_id || '_' || nth, quantity, 'GBP', round(price / 1.2, 2), price, at, basket_id, product_id, stock_id,
           at + CASE WHEN random() < 0.7 THEN interval '0' ELSE random() * interval '6 hours' END, CASE WHEN at > '2025-06-01' THEN 'S' END
    FROM (SELECT p.basket_id, b.stock_id, b.product_id, b.quantity, b.price, b.at, row_number() OVER (PARTITION BY p.basket_id, stock_id) AS nth
          FROM placed p JOIN bought b ON b.order_id = p.id WHERE p.days < 300
          UNION ALL
          SELECT k.id, s.stock_id, s.product_id, s.quantity, s.price, k.date_created, 1
          FROM basket_basket k JOIN bought s ON s.id = 1 + k.id * 7919 % 100003 WHERE k.status IN ('Open', 'Frozen')) l
    ORDER BY at, basket_id;
ANALYZE;
