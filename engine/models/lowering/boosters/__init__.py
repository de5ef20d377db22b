"""Models of XGBoost, LightGBM, CatBoost and InterpretML → trees, read from what each of them says of a model."""
