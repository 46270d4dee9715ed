# Lint as tests, each over the folders that are there: names that are unknown, unused or shadowed in Lua,
# pitfalls in shell, misspellings. `cmake --build --preset dev --target format tidy` for C.
set(lua_folders "")
foreach(folder lua ions stdlib spec examples bench)
    if(IS_DIRECTORY ${PROJECT_SOURCE_DIR}/${folder})
        list(APPEND lua_folders ${folder})
    endif()
endforeach()

function(lion_lint_test name tool)
    find_program(LION_${tool} ${tool})
    if(NOT LION_${tool})
        message(STATUS "skip test lint.${name}: no ${tool}")
        return()
    endif()
    add_test(NAME lint.${name} COMMAND ${LION_${tool}} ${ARGN}
             WORKING_DIRECTORY ${PROJECT_SOURCE_DIR})
    set_tests_properties(lint.${name} PROPERTIES LABELS lint)
endfunction()

lion_lint_test(lua luacheck --quiet --no-color ${lua_folders})
lion_lint_test(shell shellcheck -x quickstart check .ci/run .ci/packages.sh)
lion_lint_test(spelling codespell)

find_program(CLANG_FORMAT clang-format)
find_program(RUN_CLANG_TIDY NAMES run-clang-tidy run-clang-tidy-14)
if(CLANG_FORMAT) # not headers: their one-line accessors and byte tables stay as they are written
    add_custom_target(format
        COMMAND git ls-files -z -- "*.c" | xargs -0 ${CLANG_FORMAT} -i
        WORKING_DIRECTORY ${PROJECT_SOURCE_DIR} VERBATIM)
endif()
if(RUN_CLANG_TIDY)
    add_custom_target(tidy
        COMMAND ${RUN_CLANG_TIDY} -quiet -p ${CMAKE_BINARY_DIR} "^${PROJECT_SOURCE_DIR}/"
        WORKING_DIRECTORY ${PROJECT_SOURCE_DIR} VERBATIM)
endif()
