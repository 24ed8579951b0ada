"""Layers that Keras 3 lacks, as classes of the code, and its names of activations."""

# Layers that Keras does not have, by the name of their class.
CLASSES = {
    "Token": """class Token(layers.Layer):
    def build(self, shape):
        self.token = self.add_weight(shape=(1, 1, shape[-1]), name="token")

    def call(self, x):
        return ops.concatenate([ops.repeat(self.token, ops.shape(x)[0], axis=0), x], axis=1)
""",
    "Position": """class Position(layers.Layer):
    def __init__(self, length):
        super().__init__()
        self.length = length

    def build(self, shape):
        self.table = self.add_weight(shape=(1, self.length, shape[-1]), name="table")

    def call(self, x):
        return x + self.table[:, : x.shape[1]]
""",
    "L2Norm": """class L2Norm(layers.Layer):
    def build(self, shape):
        self.scale = self.add_weight(shape=(shape[-1],), initializer="ones", name="scale")

    def call(self, x):
        return ops.normalize(x, axis=-1) * self.scale
""",
    "Sampling": """class Sampling(layers.Layer):
    def call(self, inputs):
        mean, log_variance = inputs
        return mean + ops.exp(0.5 * log_variance) * keras.random.normal(ops.shape(mean))
""",
}
ACTIVATIONS = {
    "leakyrelu": "leaky_relu", "hardswish": "hard_swish", "hardsigmoid": "hard_sigmoid",
    "logsoftmax": "log_softmax",
}  # fmt: skip
