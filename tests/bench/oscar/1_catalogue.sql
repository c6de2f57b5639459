-- Countries, users, addresses and the catalogue. Draws come from random(), seeded; all history lies before `till`.
-- `0 * id` makes a function in LATERAL depend on the row: it would be called only once for all rows otherwise.
SELECT setseed(0.42);
CREATE FUNCTION pg_temp.zipf(n bigint) RETURNS bigint LANGUAGE sql VOLATILE  -- 1 … n, the k-th drawn about 1/k as often
    AS 'SELECT floor(exp(random() * ln(n + 1)))::bigint';
CREATE FUNCTION pg_temp.pick(words text[]) RETURNS text LANGUAGE sql VOLATILE  -- the first ones most often
    AS 'SELECT words[pg_temp.zipf(cardinality(words))]';
CREATE FUNCTION pg_temp.till() RETURNS timestamptz LANGUAGE sql IMMUTABLE AS $$SELECT '2026-11-01 00:00+00'::timestamptz$$;
-- A moment at this share of four years, in the daytime rather than at night.
CREATE FUNCTION pg_temp.moment(share float) RETURNS timestamptz LANGUAGE sql VOLATILE AS $$
    SELECT least(pg_temp.till(), date_trunc('day', pg_temp.till() - 1461 * (1 - share) * interval '1 day')
                 + (0.25 + 0.37 * (random() + random())) * interval '1 day')$$;
CREATE TEMP TABLE words AS
    SELECT string_agg(pg_temp.pick('{the,of,and,it,very,with,not,good,for,is,size,was,quality,but,colour,again,after,
        weeks,delivery,exactly,recommended,Größe,would,returned,because,disappointing,unfortunately,material,perfect,
        broke,"as described",arrived,happy,présent,"5/5",zipper,waterproof,overpriced,absolutely,nevertheless}'), ' ') AS text
    FROM generate_series(1, 1200);
-- Some words, half of the time at most `typical` characters, sometimes twenty times as many.
CREATE FUNCTION pg_temp.prose(typical int) RETURNS text LANGUAGE sql VOLATILE AS $$
    SELECT substr(text, 1 + (random() * 1500)::int, 5 + (typical * power(random() * 2, 3))::int) FROM words$$;

CREATE TEMP TABLE cities AS
    SELECT row_number() OVER () AS id, * FROM (VALUES
        ('London', 'Greater London', 'GB'), ('Berlin', '', 'DE'), ('Manchester', 'Lancashire', 'GB'), ('Paris', '', 'FR'),
        ('New York', 'NY', 'US'), ('Leeds', 'Yorkshire', 'GB'), ('Hamburg', '', 'DE'), ('Bristol', '', 'GB'),
        ('Glasgow', 'Scotland', 'GB'), ('München', 'Bayern', 'DE'), ('Dublin', '', 'IE'), ('Lyon', '', 'FR'),
        ('Amsterdam', 'Noord-Holland', 'NL'), ('Edinburgh', 'Scotland', 'GB'), ('Madrid', '', 'ES'), ('Chicago', 'IL', 'US'),
        ('Wien', '', 'AT'), ('Köln', 'NRW', 'DE'), ('York', 'Yorkshire', 'GB'), ('Cardiff', 'Wales', 'GB'),
        ('Barcelona', 'Catalunya', 'ES'), ('Austin', 'TX', 'US'), ('Utrecht', '', 'NL'), ('Zürich', 'ZH', 'CH'),
        ('Milano', 'MI', 'IT'), ('Cork', '', 'IE'), ('Marseille', '', 'FR'), ('Belfast', 'Northern Ireland', 'GB'),
        ('Graz', 'Steiermark', 'AT'), ('Roma', 'RM', 'IT'), ('Bath', 'Somerset', 'GB'), ('Oslo', '', 'NO'),
        ('København', '', 'DK'), ('Toronto', 'ON', 'CA'), ('Sydney', 'NSW', 'AU'), ('Warszawa', '', 'PL'),
        ('Gent', '', 'BE'), ('Genève', 'GE', 'CH'), ('Porto', '', 'PT'), ('Turku', '', 'FI')) AS t (city, state, country);
INSERT INTO address_country
    SELECT DISTINCT country, country || 'X', lpad((ascii(country) * 7 % 1000)::text, 3, '0'), 'Country ' || country,
           'COUNTRY ' || country, CASE country WHEN 'GB' THEN 1 ELSE 0 END, country <> 'AU'
    FROM cities;

INSERT INTO auth_user (id, password, last_login, is_superuser, username, first_name, last_name, email, is_staff, is_active, date_joined)
    SELECT g, 'pbkdf2_sha256$870000$' || left(md5(g::text), 22) || '$' || left(md5('p' || g) || md5('q' || g), 43) || '=',
           CASE WHEN random() > 0.18 THEN joined + (pg_temp.till() - joined) * power(random(), 0.4) END, g < 3,
           left(md5('u' || g), 30), CASE WHEN random() > 0.15 THEN first ELSE '' END, CASE WHEN random() > 0.15 THEN last ELSE '' END,
           CASE WHEN random() < 0.012 THEN 'Info@Wholesale' || pg_temp.zipf(60) || '.example.org'
                ELSE lower(first || '.' || last) || g % 8999 || '@' || pg_temp.pick('{gmail.com,outlook.com,icloud.com,gmx.de,mail.example.org}')
           END, g < 25, random() > 0.04, joined
    FROM (SELECT g, pg_temp.moment(power(g / 50000.0, 0.6)) AS joined,
                 pg_temp.pick('{James,Anna,Oliver,Maria,Emma,Jürgen,Amélie,Noah,Sofia,Liam,Zoë,Thomas,Chloé,Ali,Grace,Ivan,Wei}') AS first,
                 pg_temp.pick('{Smith,Müller,Jones,Martin,García,Brown,Rossi,Taylor,Schmidt,OBrien,Nguyen,Dubois,Kowalski,Ng}') AS last
          FROM generate_series(1, 50000) g ORDER BY g) u;

INSERT INTO address_useraddress (title, first_name, last_name, line1, line2, line3, line4, state, postcode, search_text,
        phone_number, notes, is_default_for_shipping, is_default_for_billing, num_orders_as_shipping_address, hash,
        date_created, country_id, user_id, num_orders_as_billing_address)
    SELECT pg_temp.pick('{"",Mr,Mrs,Ms,Dr}'), first_name, last_name, street, CASE WHEN random() < 0.2 THEN 'Flat ' || pg_temp.zipf(90) ELSE '' END,
           '', city, state, postcode, concat_ws(' ', first_name, last_name, street, city, state, postcode, country),
           CASE WHEN random() < 0.6 THEN '+44' || (7e9 + random() * 9e8)::bigint ELSE '' END,
           CASE WHEN random() < 0.05 THEN pg_temp.prose(60) ELSE '' END, nth = 1, nth = 1 AND random() < 0.7, 0,
           abs(hashtext(street || a.user_id || '/' || nth))::text || nth, created, country, a.user_id, 0
    FROM (SELECT u.id AS user_id, u.first_name, u.last_name, nth, c.*,
                 (10 * pg_temp.zipf(40) % 97) || ' ' || pg_temp.pick('{High,Church,Station,Mill,Park,Victoria,Goethe,Garten}') || ' Street' AS street,
                 u.date_joined + (pg_temp.till() - u.date_joined) * power(random(), 3) AS created,
                 CASE c.country WHEN 'US' THEN (10000 + random() * 89999)::int::text
                                WHEN 'GB' THEN left(upper(c.city), 2) || pg_temp.zipf(20) || ' ' || (random() * 9)::int || 'AB'
                                ELSE (1000 + random() * 8999)::int::text END AS postcode
          FROM auth_user u
          CROSS JOIN LATERAL generate_series(1, CASE WHEN u.id % 5 < 2 THEN 0 ELSE least(pg_temp.zipf(9), 6) END) nth
          JOIN cities c ON c.id = floor(exp((u.id * 7919::bigint + nth / 3 * 99) % 10007 / 10007.0 * ln(41)))  -- most move never
          ) a
    ORDER BY created;

INSERT INTO catalogue_productclass (id, name, slug, requires_shipping, track_stock)
    SELECT n, name, lower(name), name <> 'Download', name <> 'Download'
    FROM unnest('{Clothing,Book,Household,Electronics,Toy,Download}'::text[]) WITH ORDINALITY t (name, n);
-- A tree of three levels, as treebeard keeps it: a child's path begins with its parent's.
INSERT INTO catalogue_category (path, depth, numchild, name, description, slug, ancestors_are_public, is_public, exclude_from_menu, long_description)
    WITH RECURSIVE tree AS (
        SELECT lpad(n::text, 4, '0') AS path, 1 AS depth FROM generate_series(1, 11) n
        UNION ALL
        SELECT path || lpad(n::text, 4, '0'), depth + 1
        FROM tree, generate_series(1, 1 + (hashtext(path) & 1023) % (9 - 2 * depth)) n WHERE depth < 3)
    SELECT path, depth, (SELECT count(*) FROM tree c WHERE c.depth = t.depth + 1 AND c.path LIKE t.path || '%'),
           'Category ' || ltrim(path, '0'), CASE WHEN random() < 0.3 THEN pg_temp.prose(200) ELSE '' END, 'c-' || path, path !~ '^0011', path !~ '^0011', false, ''
    FROM tree t ORDER BY path;
-- A third are variants, whose parent comes before them; an import touched a quarter of all in one moment.
INSERT INTO catalogue_product (id, structure, upc, title, slug, description, rating, date_created, date_updated, is_discountable,
        parent_id, product_class_id, is_public, meta_description, meta_title, priority, code)
    SELECT id, structure, CASE WHEN structure <> 'parent' AND random() < 0.9 THEN (5e12 + id * 7::bigint)::bigint::text END, title,
           coalesce(nullif(left(regexp_replace(lower(title), '\W+', '-', 'g'), 200), ''), 'variant') || '-' || id,
           CASE structure WHEN 'child' THEN '' ELSE pg_temp.prose(400) END, NULL, created,
           CASE WHEN random() < 0.25 THEN greatest(created, pg_temp.till() - interval '40 days')
                ELSE created + (pg_temp.till() - created) * power(random(), 2) END,
           random() < 0.93, CASE structure WHEN 'child' THEN greatest(1, id - id % 12) END,
           CASE structure WHEN 'child' THEN NULL ELSE pg_temp.zipf(6) END, random() < 0.92,
           CASE WHEN random() < 0.15 THEN pg_temp.prose(120) END, NULL, CASE WHEN random() < 0.02 THEN 10 ELSE 0 END,
           CASE WHEN random() < 0.03 THEN 'P' || id END
    FROM (SELECT id, structure, created, CASE structure WHEN 'child' THEN '' ELSE initcap(pg_temp.prose(25)) END AS title
          FROM (SELECT id, CASE WHEN id = 1 OR id % 12 = 0 THEN 'parent' WHEN id % 12 < 5 THEN 'child' ELSE 'standalone' END AS structure,
                       pg_temp.moment(power(id / 15000.0, 0.8)) AS created
                FROM generate_series(1, 15000) id ORDER BY id) s) p;
INSERT INTO catalogue_productcategory (category_id, product_id)
    SELECT DISTINCT 1 + (product_class_id * 13 + pg_temp.zipf(25)) % (SELECT count(*) FROM catalogue_category), id
    FROM catalogue_product CROSS JOIN LATERAL generate_series(1, pg_temp.zipf(3 + 0 * id)) WHERE structure <> 'child';
INSERT INTO catalogue_attributeoptiongroup (id, name, code) VALUES (1, 'Colour', 'colour'), (2, 'Size', 'size');
INSERT INTO catalogue_attributeoption (option, group_id)
    SELECT o, 1 FROM unnest('{black,white,navy,red,green,grey}'::text[]) o UNION ALL SELECT o, 2 FROM unnest('{S,M,L,XL}'::text[]) o;
INSERT INTO catalogue_productattribute (name, code, type, required, option_group_id, product_class_id)
    SELECT initcap(code), code, type, code = 'weight', CASE type WHEN 'option' THEN 1 + (code = 'size')::int END, c.id
    FROM catalogue_productclass c, (VALUES ('colour', 'option'), ('size', 'option'), ('weight', 'float'), ('pages', 'integer'),
         ('material', 'text'), ('vegan', 'boolean'), ('released', 'date')) a (code, type)
    WHERE (c.id + length(code)) % 4 > 0;
-- Entity, attribute, value: which of the value columns is filled depends on the attribute's type.
INSERT INTO catalogue_productattributevalue (value_text, value_integer, value_boolean, value_float, value_date, attribute_id, product_id, value_option_id)
    SELECT CASE type WHEN 'text' THEN pg_temp.pick('{cotton,polyester,wool,steel,oak,"recycled plastic"}') END,
           CASE type WHEN 'integer' THEN 40 + pg_temp.zipf(900) END, CASE type WHEN 'boolean' THEN random() < 0.2 END,
           CASE type WHEN 'float' THEN round(exp(random() * 6)::numeric, 2) END,
           CASE type WHEN 'date' THEN (p.date_created - random() * interval '900 days')::date END, a.id, p.id,
           CASE type WHEN 'option' THEN CASE option_group_id WHEN 1 THEN pg_temp.zipf(6) ELSE 6 + pg_temp.zipf(4) END END
    FROM catalogue_product p JOIN catalogue_productattribute a USING (product_class_id) WHERE random() < 0.75 ORDER BY p.id, a.id;
INSERT INTO partner_partner (id, code, name) SELECT g, 'partner-' || g, 'Supplier No. ' || g FROM generate_series(1, 14) g;
INSERT INTO partner_stockrecord (partner_sku, price_currency, price, num_in_stock, num_allocated, low_stock_threshold,
        date_created, date_updated, partner_id, product_id)
    SELECT 'SKU-' || lpad((id * 37 % 99991)::text, 6, '0') || '-' || nth, 'GBP',
           CASE WHEN random() > 0.01 THEN floor(exp(1 + random() * 3 + random() * 2)) + CASE WHEN random() < 0.7 THEN 0.99 ELSE 0.5 END END,
           CASE WHEN product_class_id = 6 THEN NULL WHEN random() < 0.25 THEN 0 ELSE pg_temp.zipf(800) END,
           CASE WHEN random() < 0.4 THEN pg_temp.zipf(40) - 1 END, CASE WHEN random() < 0.3 THEN 5 END, date_created,
           greatest(date_created, pg_temp.moment(1 - power(random(), 4))), least(14, pg_temp.zipf(14) + nth - 1), id
    FROM catalogue_product CROSS JOIN LATERAL generate_series(1, 1 + (random() < 0.15 + 0 * id)::int) nth
    WHERE structure <> 'parent' ORDER BY id, nth;
ANALYZE;
