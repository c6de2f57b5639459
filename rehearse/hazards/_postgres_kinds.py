"""Kinds of PostgreSQL's statements that are told by their kind alone: what makes an object, and what stops nobody."""

from __future__ import annotations

from collections.abc import Mapping

from pglast import ast, enums

from rehearse.hazards.acts import Does

CREATES = (
    ast.RuleStmt, ast.CreateStatsStmt, ast.CreateRoleStmt, ast.DefineStmt, ast.CompositeTypeStmt, ast.CreateRangeStmt,
    ast.CreatePublicationStmt, ast.CreateEventTrigStmt, ast.CreateFdwStmt, ast.CreateForeignServerStmt,
    ast.CreateUserMappingStmt, ast.CreatePLangStmt, ast.CreateCastStmt, ast.CreateConversionStmt, ast.CreateOpClassStmt,
    ast.CreateOpFamilyStmt, ast.CreateTransformStmt, ast.CreateAmStmt, ast.CreateTableSpaceStmt, ast.CreatedbStmt,
)  # fmt: skip
# What changes neither rows nor what the application meets of the schema, and stops nobody. Others are not known.
HARMLESS = frozenset({
    ast.VariableShowStmt, ast.ConstraintsSetStmt, ast.PrepareStmt, ast.DeallocateStmt, ast.DiscardStmt,
    ast.NotifyStmt, ast.ListenStmt, ast.UnlistenStmt, ast.CheckPointStmt, ast.LoadStmt, ast.DeclareCursorStmt,
    ast.FetchStmt, ast.ClosePortalStmt, ast.GrantRoleStmt, ast.AlterDefaultPrivilegesStmt, ast.AlterOwnerStmt,
    ast.ReassignOwnedStmt, ast.AlterRoleStmt, ast.AlterRoleSetStmt, ast.AlterDatabaseStmt, ast.AlterDatabaseSetStmt,
    ast.AlterSystemStmt, ast.AlterStatsStmt, ast.AlterExtensionStmt, ast.AlterExtensionContentsStmt,
    ast.AlterObjectDependsStmt, ast.AlterOperatorStmt, ast.AlterTypeStmt, ast.AlterCollationStmt,
    ast.AlterDatabaseRefreshCollStmt, ast.AlterEventTrigStmt, ast.AlterFdwStmt, ast.AlterForeignServerStmt,
    ast.AlterUserMappingStmt, ast.AlterOpFamilyStmt, ast.AlterTSConfigurationStmt, ast.AlterTSDictionaryStmt,
    ast.AlterPublicationStmt, ast.SecLabelStmt, ast.AlterTableSpaceOptionsStmt,
})  # fmt: skip
CALLED_BY_NAME = (  # by running code
    enums.ObjectType.OBJECT_TYPE,
    enums.ObjectType.OBJECT_DOMAIN,
    enums.ObjectType.OBJECT_FUNCTION,
    enums.ObjectType.OBJECT_PROCEDURE,
    enums.ObjectType.OBJECT_AGGREGATE,
    enums.ObjectType.OBJECT_SEQUENCE,
    enums.ObjectType.OBJECT_SCHEMA,
)
DROPS: Mapping[enums.ObjectType, Does] = {
    enums.ObjectType.OBJECT_TABLE: "drop table",
    enums.ObjectType.OBJECT_FOREIGN_TABLE: "drop table",
    enums.ObjectType.OBJECT_INDEX: "drop index",
    enums.ObjectType.OBJECT_VIEW: "drop view",
    enums.ObjectType.OBJECT_MATVIEW: "drop view",
    enums.ObjectType.OBJECT_SCHEMA: "drop schema",
}
