"""Forecasts, by property."""
