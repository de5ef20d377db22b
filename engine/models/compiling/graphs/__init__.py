"""What a graph in an .onnx file takes and gives, and how that fits its entry."""
