ALTER TABLE orders MODIFY channel varchar(40) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci;
