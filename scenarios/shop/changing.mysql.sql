-- A part of the shop, with its rows, in words that MySQL and MariaDB both read: who buys, and what was ordered.

CREATE TABLE digits (d int PRIMARY KEY);
INSERT INTO digits VALUES (0), (1), (2), (3), (4), (5), (6), (7), (8), (9);

CREATE TABLE customers (
    id         int AUTO_INCREMENT PRIMARY KEY,
    email      varchar(254) NOT NULL,
    full_name  varchar(200) NOT NULL,
    UNIQUE KEY customers_email_key (email)
) COMMENT 'Everyone who ever had an account; closed accounts stay.';

CREATE TABLE orders (
    id          int AUTO_INCREMENT PRIMARY KEY,
    customer_id int NOT NULL,
    status      enum('pending', 'paid', 'shipped', 'delivered', 'cancelled') NOT NULL DEFAULT 'pending',
    total_cents int NOT NULL,
    channel     varchar(40) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci,
    label       varchar(40) CHARACTER SET utf8mb3 COLLATE utf8mb3_general_ci,
    note        varchar(400) CHARACTER SET latin1,
    KEY orders_customer_id_idx (customer_id)
) COMMENT 'One row a checkout; the checkout page and the warehouse read it.';

-- Where a change looks, before it asks for a lock, whether somebody has been in a transaction for long.
CREATE TABLE change_gate (id int PRIMARY KEY);
INSERT INTO change_gate VALUES (1);

INSERT INTO customers (email, full_name)
    SELECT concat('c', n, '@example.org'), concat('Customer ', n)
    FROM (SELECT a.d * 1000 + b.d * 100 + c.d * 10 + d.d AS n FROM digits a, digits b, digits c, digits d) AS numbers
    WHERE n < 2000;

INSERT INTO orders (customer_id, status, total_cents, channel, label, note)
    SELECT 1 + crc32(n) % 2000, 1 + crc32(concat('s', n)) % 5, crc32(concat('t', n)) % 100000,
           elt(1 + n % 3, 'web', 'app', NULL), concat('order ', n), repeat('leave it at the door ', n % 12)
    FROM (
        SELECT a.d * 100000 + b.d * 10000 + c.d * 1000 + d.d * 100 + e.d * 10 + f.d AS n
        FROM digits a, digits b, digits c, digits d, digits e, digits f
    ) AS numbers
    WHERE n < 120000;

DROP TABLE digits;
