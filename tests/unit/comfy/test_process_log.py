from shared.comfy.process import ComfyProcess
from shared.comfy.settings import ComfySettings


def test_a_prompt_never_reaches_the_log_even_in_a_traceback() -> None:
    process = ComfyProcess(ComfySettings(command="true"))
    process.hidden = ("a private dragon\n  over the sea  \n",)
    assert process._hide("CLIPTextEncode failed on 'a private dragon'") == "CLIPTextEncode failed on '[hidden]'"
    assert process._hide("... over the sea ...") == "... [hidden] ..."
    assert process._hide("lora key not loaded: x") == "lora key not loaded: x"
