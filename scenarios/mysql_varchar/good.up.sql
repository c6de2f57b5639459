ALTER TABLE orders MODIFY channel varchar(63) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci,
    ALGORITHM=INPLACE, LOCK=NONE;
