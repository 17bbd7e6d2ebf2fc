"""What both platforms do with a workflow: run the function of an entry file, tell the result or the error."""

import traceback


def answer_of(request):
    from bifrost_cache import load_path

    try:
        return {"result": getattr(load_path(request["entry"]), request["function"])()}
    except Exception as error:
        return {"error": type(error).__name__, "text": str(error), "cause": repr(error.__cause__),
                "traceback": traceback.format_exc()}
