"""Kinds of PostgreSQL's statements that are told by their kind alone: what makes an object, and what stops nobody."""

from __future__ import annotations

from pglast import ast

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
