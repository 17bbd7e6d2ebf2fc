# One place for warnings.
add_library(bifrost_build INTERFACE)
target_compile_options(bifrost_build INTERFACE -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wnon-virtual-dtor
                                               -Woverloaded-virtual -Wundef)
if(BIFROST_SANITIZE)
  # Whoever follows a null pointer faults without help, and looking at each takes a fifth of the compiler's time.
  target_compile_options(bifrost_build INTERFACE -fsanitize=${BIFROST_SANITIZE} -fno-sanitize=null
                                                 -fno-omit-frame-pointer -fno-sanitize-recover=all)
  target_link_options(bifrost_build INTERFACE -fsanitize=${BIFROST_SANITIZE})
endif()
if(BIFROST_WERROR)
  target_compile_options(bifrost_build INTERFACE -Werror)
endif()
