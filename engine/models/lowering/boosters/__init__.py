"""Models of XGBoost, LightGBM and CatBoost → trees, read from what each library itself writes of a model."""
