"""Source with characters that end a line for str and not for Python. Imported only for such a source."""


class SourceText(str):
    """Its lines are those of the tokenizer, as if a file were read: form feeds and the like end none."""

    def splitlines(self, keepends=False):
        lines = self.split("\n")
        if not lines[-1]:
            del lines[-1]
        elif keepends:
            return [line + "\n" for line in lines[:-1]] + lines[-1:]
        return [line + "\n" for line in lines] if keepends else lines
