CREATE TABLE `Order x` (
    `Tenant` int NOT NULL,
    id int NOT NULL AUTO_INCREMENT,
    `full name` varchar(60) NOT NULL COMMENT 'as it''s typed, not null',
    given varchar(30) CHARACTER SET latin1,
    family varchar(30),
    note varchar(20) DEFAULT 'none' COMMENT 'DEFAULT NULL',
    amount int DEFAULT 7,
    customer int,
    placed date NOT NULL DEFAULT '2025-02-01',
    changed timestamp(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3) ON UPDATE CURRENT_TIMESTAMP(3),
    PRIMARY KEY (id, `Tenant`),
    UNIQUE KEY `once` (`full name`, id),
    KEY `by note` (note(5), amount)
) COMMENT 'one, of many';
CREATE TABLE parent (id int NOT NULL AUTO_INCREMENT PRIMARY KEY, boss int, email varchar(40) UNIQUE, state char(1),
    CONSTRAINT `its boss` FOREIGN KEY (boss) REFERENCES parent (id));
CREATE TABLE child (
    id bigint NOT NULL AUTO_INCREMENT PRIMARY KEY, parent int NOT NULL, note text,
    CONSTRAINT `of it` FOREIGN KEY (parent) REFERENCES parent (id) ON DELETE CASCADE
);
CREATE TABLE plain (
    id int NOT NULL AUTO_INCREMENT PRIMARY KEY, owner int, name varchar(40), kind varchar(10), n int,
    KEY (owner), KEY (n, kind)
);
INSERT INTO parent (boss, email, state) VALUES (NULL, 'a@example.org', 'x'), (1, 'b@example.org', 'y'), (1, NULL, NULL);
INSERT INTO child (parent, note) SELECT id, email FROM parent;
INSERT INTO plain (owner, name, kind, n) VALUES (1, 'Ann Lee', 'k', 1), (2, 'Bob Ray', NULL, 2), (NULL, 'Cy Tan', 'm', 3);
INSERT INTO plain (owner, name, kind, n) SELECT owner, name, kind, n + 3 FROM plain;
INSERT INTO plain (owner, name, kind, n) SELECT owner, name, kind, n + 6 FROM plain;
INSERT INTO `Order x` (`Tenant`, id, `full name`, given, family, note, amount, customer, changed)
SELECT n % 3, n, concat(name, n), name, 'Lee', CASE WHEN n % 4 > 0 THEN n END, n, owner, '2025-01-01' FROM plain;
